"""The audit log: each act leaves one entry in its own transaction, and whoever touches the log is found out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.core.acts import Act
from penstock.core.errors import BadInput
from penstock.identity.customers import add_customer, edit_customer
from penstock.identity.keys import create_key, revoke_key
from penstock.monitoring.tables import feedback_use
from penstock.storage import audit
from penstock.storage.audit import Wanted, acting, audit_entry, audit_subject, entries, verify
from penstock.storage.changes import MAX_ROWS
from penstock.storage.documents import put_document
from penstock.storage.engine import Store, Transaction, is_sqlite
from penstock.storage.schema import document, metadata
from penstock.storage.sql import insert_new

ACT = Act("ada", "owner", "127.0.0.1", "POST /customers")


@pytest.fixture
def desk(store: Store) -> Store:
    return acting(store, ACT)


def log(store: Store, wanted: Wanted = Wanted(), limit: int = 100) -> list[audit.Entry]:
    with store.read() as tx:
        return entries(tx, wanted, limit)


def add(tx: Transaction, name: str) -> str:
    return add_customer(tx, name=name, email=f"{name.replace(' ', '.')}@example.com").id


def test_an_entry_says_who_what_before_and_after(desk: Store) -> None:
    with desk.transaction() as tx:
        who = add(tx, "Ada Co")
    with desk.transaction() as tx:
        edit_customer(tx, who, {"address": "1 Quay"}, allow_similar=False)
    changed, made = log(desk)
    assert (made.number, made.who, made.role, made.origin, made.act) == (1, "ada", "owner", "127.0.0.1", ACT.name)
    assert made.changes[0].table == "customer" and made.changes[0].before is None
    assert made.changes[0].after is not None and made.changes[0].after["name"] == "Ada Co"
    [change] = changed.changes
    assert (change.key, change.before, change.after) == ({"id": who}, {"address": ""}, {"address": "1 Quay"})


def test_no_secret_is_in_the_log(desk: Store) -> None:
    with desk.transaction() as tx:
        key, text = create_key(tx, customer=add(tx, "Ada Co"))
        revoke_key(tx, key.id)
    [entry] = log(desk)
    whole = repr(entry)
    assert key.id in whole and key.secret_sha256 not in whole and text not in whole


def test_what_is_rolled_back_or_changes_nothing_leaves_no_entry(desk: Store) -> None:
    with pytest.raises(BadInput), desk.transaction() as tx:
        add(tx, "Ada Co")
        raise BadInput("no")
    with desk.transaction() as tx:
        who = add(tx, "Bea Co")
        with pytest.raises(BadInput), tx.savepoint():
            add(tx, "Cy Co")
            raise BadInput("no")
    with desk.transaction() as tx:
        edit_customer(tx, who, {"address": ""}, allow_similar=False)
    [entry] = log(desk)
    assert [change.key["id"] for change in entry.changes] == [who]


def test_a_row_deleted_and_made_again_is_one_change_down_to_the_setting(desk: Store) -> None:
    for places in (2, 3):
        with desk.transaction() as tx:
            put_document(tx, "settings", {"a": {"b": 1, "places": places}, "c": "same"})
    change = log(desk)[0].changes[0]
    assert change.before is not None and change.before["value"] == {"a": {"places": 2}}
    assert change.after is not None and change.after["value"] == {"a": {"places": 3}}
    with desk.transaction() as tx:
        tx.execute(sa.delete(document).where(document.c.organisation == tx.organisation))
    assert log(desk)[0].changes[0].after is None


def test_an_insert_that_met_its_row_changes_nothing(desk: Store) -> None:
    row = {"name": "once", "value": 1, "updated_at": desk.clock.now()}
    for _ in range(2):
        with desk.transaction() as tx:
            insert_new(tx, document, [row])
    assert len(log(desk)) == 1


def test_the_work_of_a_server_and_of_use_is_no_act(store: Store, desk: Store) -> None:
    with store.transaction() as tx:
        add(tx, "Ada Co")
    with desk.transaction() as tx:
        tx.execute(sa.delete(feedback_use).where(feedback_use.c.organisation == tx.organisation))
    assert log(store) == []


def test_of_many_rows_some_are_kept_and_all_are_counted(desk: Store) -> None:
    rows = [{"name": f"n{number}", "value": "x" * 2_000, "updated_at": desk.clock.now()} for number in range(60)]
    with desk.transaction() as tx:
        tx.execute(sa.insert(document), [{"organisation": tx.organisation, **row} for row in rows])
    with desk.transaction() as tx:
        tx.execute(sa.delete(document).where(document.c.organisation == tx.organisation))
    for entry in log(desk):
        assert len(entry.changes) == MAX_ROWS and entry.more == {"document": 60 - MAX_ROWS}
        assert all(len(repr(change)) < 400 for change in entry.changes)


def test_entries_are_found_by_actor_by_thing_and_in_pages(store: Store, desk: Store) -> None:
    with desk.transaction() as tx:
        who = add(tx, "Ada Co")
    other = acting(store, replace(ACT, who="bea"))
    for number in range(5):
        with other.transaction() as tx:
            edit_customer(tx, who, {"address": f"{number} Quay"}, allow_similar=False)
    with other.transaction() as tx:
        add(tx, "Bea Co")
    assert [one.number for one in log(store, Wanted(who="ada"))] == [1]
    assert [one.number for one in log(store, Wanted(about=who))] == [6, 5, 4, 3, 2, 1]
    assert [one.number for one in log(store, Wanted(about=who, before=4), 2)] == [3, 2]
    assert log(store, Wanted(until=store.clock.now())) == []


def test_looking_for_one_thing_does_not_read_the_others(store: Store, desk: Store) -> None:
    if not is_sqlite(store.engine):
        pytest.skip("Postgres plans by size; the indexes are the same")
    asked: list[tuple[str, Any]] = []

    def listen(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with store.read() as tx:
        sa.event.listen(tx.connection, "before_cursor_execute", listen)
        for wanted in (Wanted(), Wanted(who="ada"), Wanted(about="cus_1"), Wanted(since=store.clock.now())):
            entries(tx, wanted)
        sa.event.remove(tx.connection, "before_cursor_execute", listen)
        for statement, parameters in asked:
            plan = tx.connection.exec_driver_sql(f"explain query plan {statement}", parameters).all()
            assert all("SEARCH" in step[-1] for step in plan if "audit" in step[-1]), plan
    assert len(asked) == 4


@pytest.mark.parametrize("table", [audit_entry, audit_subject])
def test_the_database_refuses_to_change_the_log(store: Store, desk: Store, table: sa.Table) -> None:
    with desk.transaction() as tx:
        add(tx, "Ada Co")
    fixed = [one for one in table.columns if one.name != "details"]  # a change of those verify finds out
    values = [{one.name: store.clock.now() if one.name == "at" else "9"} for one in fixed if one.name != "number"]
    for statement in (*(sa.update(table).values(one) for one in ({"number": 9}, *values)), sa.delete(table)):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), store.transaction() as tx:
            tx.execute(statement.where(table.c.organisation == tx.organisation))


def without_triggers(store: Store, statement: Any) -> None:
    """As somebody with the database's own rights does it."""
    with store.engine.begin() as connection:
        if is_sqlite(store.engine):
            kept = connection.execute(
                sa.text("select name, sql from sqlite_master where type = 'trigger' and tbl_name = 'audit_entry'")
            ).all()
            for name, _ in kept:
                connection.exec_driver_sql(f"drop trigger {name}")
            connection.execute(statement)
            for _, sql in kept:
                connection.exec_driver_sql(sql)
        else:
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.execute(statement)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda one: sa.update(audit_entry).where(one.number == 2).values(who="bea"), "entry 2 was altered"),
        (lambda one: sa.update(audit_entry).where(one.number == 2).values(details="{}"), "entry 2: its changes"),
        (lambda one: sa.delete(audit_entry).where(one.number == 2), "entries 2 to 2 are missing"),
        (lambda one: sa.delete(audit_entry).where(one.number == 4), "entries 4 to 4 are missing"),
        (lambda one: sa.update(audit_entry).where(one.number == 1).values(hash="0" * 64), "entry 2 does not follow"),
    ],
)
def test_whoever_touches_the_log_is_found_out(store: Store, desk: Store, harm: Callable[[Any], Any], said: str) -> None:
    for number in range(4):
        with desk.transaction() as tx:
            add(tx, f"Co {number}")
    with store.read() as tx:
        assert verify(tx).problems == () and verify(tx).entries == verify(tx).last == 4
    without_triggers(store, harm(audit_entry.c).where(audit_entry.c.organisation == store.organisation))
    with store.read() as tx:
        assert said in " ".join(verify(tx).problems)
        assert verify(tx, newest=2).entries <= 2


def test_details_that_were_emptied_are_told_by_a_later_entry_and_by_nothing_else(store: Store, desk: Store) -> None:
    with desk.transaction() as tx:
        who, other = add(tx, "Ada Co"), add(tx, "Bea Co")
    with desk.transaction() as tx:
        edit_customer(tx, who, {"address": "1 Quay"}, allow_similar=False)
    with store.read() as tx:
        before = tx.all(sa.select(audit_entry.c.details_sha256, audit_entry.c.details).where(_own(tx)))
    with store.transaction() as tx:  # nobody acts: the log says it all the same
        assert audit.empty_details(tx, [1, 2], [who]) == 2
    with store.transaction() as tx:
        assert audit.empty_details(tx, [1, 2], [who]) == 0
    with store.read() as tx:
        found = verify(tx)
        assert (found.entries, found.problems, found.emptied, verify(tx, newest=2).problems) == (3, (), 2, ())
        after = tx.all(sa.select(audit_entry.c.details_sha256, audit_entry.c.details).where(_own(tx)))
    assert (
        "Ada Co" not in repr(after) and "1 Quay" not in repr(after) and "Bea Co" in repr(after) and other in repr(after)
    )
    assert [one["details_sha256"] for one in after[:2]] == [one["details_sha256"] for one in before]
    for was, now in zip(before, after, strict=False):
        assert json.loads(was["details"])["salt"] not in now["details"]  # else a guess could be tried against the hash
    with store.transaction() as tx:
        tx.execute(sa.update(audit_entry).where(_own(tx), audit_entry.c.number == 1).values(details='{"changes": []}'))
    with store.read() as tx:
        assert verify(tx).problems == ("entry 1: its changes are not those that were recorded",)


def _own(tx: Transaction) -> sa.ColumnElement[bool]:
    return audit_entry.c.organisation == tx.organisation


def test_the_chain_holds_with_several_writers(store: Store) -> None:
    def work(name: str) -> None:
        desk = acting(store, replace(ACT, who=name))
        for number in range(6):
            with desk.transaction() as tx:
                add(tx, f"{name} {number}")

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        found = verify(tx)
    assert (found.entries, found.problems) == (30, ())


def test_every_table_is_in_the_log_or_says_why_not() -> None:
    import penstock.app.gateway
    import penstock.pipeline.runner  # noqa: F401 - with all packages' tables

    left_out = {name for name, table in metadata.tables.items() if "unaudited" in table.info}
    assert len(metadata.tables) > 40
    assert {
        "customer",
        "key",
        "subscription",
        "usage_limit",
        "customer_terms",
        "payment",
        "refund",
        "invoice",
    }.isdisjoint(left_out)
    assert all(len(table.info["unaudited"]) > 5 for table in metadata.tables.values() if table.name in left_out)
