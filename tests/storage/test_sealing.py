"""What customers send and get is sealed at rest: no plain byte of it, nothing swapped, keys rotated, lost and found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.core.errors import Broken, Conflict, Unavailable
from penstock.metering.tables import answer
from penstock.metering.usage_log import Answer, UsageEvent, append, find_answer
from penstock.monitoring.tables import feedback
from penstock.pipeline.sealing import sealed_tables
from penstock.storage import resealing, sealed
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.storage.keyring import Keyring

WORDS = "my parcel is lost 丢了 \ud800"
PLAIN = {
    "id": "names",
    "customer": "whose it is",
    "product": "which product",
    "source": "whose it is, or a file's name",
    "blob": "a hash",
    "parent": "a hash",
    "kind": "one of two words",
    "item": "an item of the company's own catalogue; what counts as the same event",
    "request_id": "an id",
    "document": "the id that the customer gave, or a hash",
    "release": "an id",
    "label": "counted in reports",
    "entity": "a name of penstock.toml",
    "state": "one of three words",
    "bucket": "hour or day",
    "why": "one of two words",
    "proposal": "an id",
    "alert": "an id",
    "channel": "webhook or mail",
    "target": "an address of penstock.toml",
    "error": "what the receiver's server said",
    "acknowledged_by": "an operator",
    "organisation": "the company",
}
"""Texts that stay plain in tables with sealed columns, and why: a new column must be sealed, or be added here."""


@pytest.fixture
def kept(store: Store) -> Store:
    with store.transaction() as tx:
        keep(tx, "r1", "r2", "r3")
    return store


def keep(tx: Transaction, *ids: str) -> None:
    events = [UsageEvent("cus", one, "cus", "helpdesk", "rel", "key", tx.now, 1, "0" * 64) for one in ids]
    answers = [Answer("cus", one, "cus", "helpdesk", [WORDS, one], f"body of {one}".encode(), tx.now) for one in ids]
    append(tx, events, answers)


def raw(store: Store) -> dict[str, tuple[bytes, str]]:
    """What the database itself has: body and inputs by id."""
    query = "select id, body, cast(inputs as text) as inputs from answer where organisation = :mine order by id"
    with store.read() as tx:
        return {
            row.id: (bytes(row.body), row.inputs) for row in tx.execute(sa.text(query), {"mine": store.organisation})
        }


def switched(store: Store) -> str:
    assert store.keys is not None
    new = store.keys.add()
    with store.transaction() as tx:
        assert resealing.switch(tx, new)
    return new


def walk(store: Store, limit: int = 2) -> Iterator[int]:
    after = None
    while True:
        with store.transaction() as tx:
            after, rows = resealing.reseal_page(tx, answer, after, limit)
        yield rows
        if after is None:
            return


def counted(store: Store) -> dict[str, int]:
    with store.read() as tx:
        return dict(resealing.count_values(tx, answer))


def test_the_database_holds_no_plain_byte_and_gives_all_back(kept: Store) -> None:
    for body, inputs in raw(kept).values():
        assert body.startswith(b"sealed:1:") and b"body" not in body
        assert inputs.startswith('"sealed:1:') and "parcel" not in inputs
    with kept.read() as tx:
        found = find_answer(tx, "cus", "r2")
    assert found is not None and (found.inputs, found.body) == ([WORDS, "r2"], b"body of r2")


def test_a_value_that_is_not_sealed_cannot_be_written(store: Store) -> None:
    row = {"organisation": store.organisation, "source": "cus", "id": "r", "customer": "cus", "product": "p"}
    with pytest.raises(sa.exc.StatementError, match="sealed values only"), store.transaction() as tx:
        tx.execute(sa.insert(answer), {**row, "inputs": ["plain"], "body": b"plain", "created_at": tx.now})
    with pytest.raises(Broken, match="without a keyring"), replace(store, keys=None).transaction() as tx:
        keep(tx, "r9")


@pytest.mark.parametrize("column", ["body", "inputs"])
def test_a_value_put_into_another_row_does_not_open(kept: Store, column: str) -> None:
    swap = f"update answer set {column} = (select {column} from answer o where o.organisation = :mine and o.id = 'r1')"  # noqa: S608
    with kept.transaction() as tx:
        tx.execute(sa.text(f"{swap} where organisation = :mine and id = 'r2'"), {"mine": kept.organisation})
    with kept.read() as tx, pytest.raises(Broken, match=r"answer cus, r2.*does not belong"):
        find_answer(tx, "cus", "r2")


def test_every_text_in_a_table_with_sealed_columns_is_sealed_or_plain_for_a_reason() -> None:
    tables = sealed.sealed_tables()
    assert {table.name for table in tables} == {table.name for table in sealed_tables()}, (
        "what `sealing reseal` walks over"
    )
    open_columns = {
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.columns
        if isinstance(column.type, sa.String | sa.JSON | sa.LargeBinary) and column.name not in PLAIN
    }
    assert not open_columns, "seal it, or say in PLAIN why it stays plain"


def test_a_rotation_seals_new_values_at_once_and_old_ones_page_by_page(kept: Store) -> None:
    assert kept.keys is not None
    [old] = kept.keys.ids()
    new = switched(kept)
    with kept.transaction() as tx:
        keep(tx, "r4")
    assert counted(kept) == {old: 6, new: 2}
    with pytest.raises(Conflict, match="seals new values"), kept.transaction() as tx:
        resealing.end(tx, new, "retired")
    first = next(walk(kept))  # killed after a page
    assert first == 2 and counted(kept) == {old: 2, new: 6}
    assert sum(walk(kept)) == 1 and sum(walk(kept)) == 0 and counted(kept) == {new: 8}
    kept.keys.remove(old)
    with kept.read() as tx:
        found = find_answer(tx, "cus", "r1")
    assert found is not None and found.body == b"body of r1"


def test_rows_from_before_there_were_keys_are_read_and_then_sealed(kept: Store) -> None:
    body = "convert_to('old body', 'UTF8')" if kept.engine.dialect.name == "postgresql" else "cast('old body' as blob)"
    plain = f"update answer set inputs = '[\"old words\"]', body = {body} where organisation = :mine and id = 'r1'"  # noqa: S608
    with kept.transaction() as tx:
        tx.execute(sa.text(plain), {"mine": kept.organisation})
    assert counted(kept)[""] == 2
    for _ in range(2):
        with kept.read() as tx:
            found = find_answer(tx, "cus", "r1")
        assert found is not None and (found.inputs, found.body) == (["old words"], b"old body")
        assert sum(walk(kept)) in (1, 0)
    assert counted(kept).keys() == set(kept.keys.ids() if kept.keys else ())


def test_without_its_key_nothing_is_written_or_read_and_the_error_says_what_to_do(kept: Store, tmp_path: Path) -> None:
    elsewhere = replace(kept, keys=Keyring(tmp_path / "other" / "keyring"))
    with elsewhere.read() as tx, pytest.raises(Unavailable, match=r"not there, and key .* is needed"):
        find_answer(tx, "cus", "r1")
    with pytest.raises(Unavailable, match=r"PENSTOCK_KEYRING"), elsewhere.transaction() as tx:
        keep(tx, "r8")
    wrong = replace(kept, keys=Keyring(tmp_path / "wrong"))
    assert wrong.keys is not None
    wrong.keys.add()
    with pytest.raises(Unavailable, match=r"lacks key .* it has"):
        sealed.check_keys(wrong)
    assert len(raw(kept)) == 3, "nothing was written"


def test_a_key_that_another_process_made_is_found_without_a_restart(kept: Store) -> None:
    assert kept.keys is not None and kept.keys.file is not None
    gateway = replace(kept, keys=Keyring(kept.keys.file))
    with gateway.transaction() as tx:
        keep(tx, "r5")
    new = switched(kept)
    with gateway.transaction() as tx:
        keep(tx, "r6")
    assert counted(kept)[new] == 2


def test_a_lost_key_takes_what_it_sealed_and_nothing_else(kept: Store) -> None:
    assert kept.keys is not None
    [old] = kept.keys.ids()
    row = {"id": f"fb {kept.organisation}", "organisation": kept.organisation, "number": 1, "customer": "cus"}
    row |= {"product": "p", "request_id": "r1", "index": 0, "rating": 1, "new_label": False, "superseded": False}
    row |= {"correction": "billing", "comment": "wrong", "input": None, "answer": None}
    with kept.transaction() as tx:
        [whole] = sealed.seal_rows(tx, feedback, [{**row, "created_at": tx.now}])
        tx.execute(sa.insert(feedback), whole)
    switched(kept)
    with kept.transaction() as tx:
        keep(tx, "r4")
        resealing.end(tx, old, "lost")
    for table in (answer, feedback):
        while True:
            with kept.transaction() as tx:
                if not resealing.lose_page(tx, table, old, limit=2):
                    break
    assert list(raw(kept)) == ["r4"]
    with kept.read() as tx:
        [left] = sealed.opened(tx, feedback, sa.select(feedback).where(feedback.c.id == row["id"]))
    assert (left["correction"], left["comment"], left["rating"]) == (None, "", 1)


def test_on_postgres_a_rotation_waits_for_whoever_seals_and_gives_way_to_long_readers(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("its writers take turns")
    with store.transaction() as tx:
        keep(tx, "r1")
    new = store.keys.add() if store.keys else ""
    with store.transaction() as tx:
        keep(tx, "r2")  # it has asked which key is active, and has not ended
        with store.transaction() as other:
            assert not resealing.switch(other, new)
        with store.read() as other:
            assert [one.id for one in resealing.sealing_keys(other)] != [new], "nothing was changed"
    with store.transaction() as other:
        assert resealing.switch(other, new)


def test_blobs_keep_their_names_and_are_sealed_anew(tmp_path: Path) -> None:
    keys = Keyring(tmp_path / "keyring")
    blobs = BlobStore(tmp_path / "blobs", keys=keys)
    digest, weights = blobs.put(b"rows of customers"), blobs.put(b"weights", as_file=True)
    file = tmp_path / "blobs" / digest[:2] / digest
    assert b"rows" not in file.read_bytes() and blobs.path(weights).read_bytes() == b"weights"
    with pytest.raises(Broken, match="sealed"):
        blobs.path(digest)
    old = blobs.key(digest)
    keys.add()
    blobs.write(digest, blobs.get(digest))
    assert old != blobs.key(digest) == keys.newest() and blobs.get(digest) == b"rows of customers"
    other = blobs.put(b"rows of others")
    file.write_bytes((tmp_path / "blobs" / other[:2] / other).read_bytes())
    with pytest.raises(Broken, match="altered"):
        blobs.verify(digest)
    with pytest.raises(Unavailable):
        BlobStore(tmp_path / "blobs").get(other)


def test_a_keyring_is_its_owners_alone_and_damage_is_told(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "keyring"
    keys = Keyring(file)
    first = keys.newest()
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert Keyring(file).add() != first and keys.ids()[0] == first and len(keys.ids()) == 2
    file.write_text(file.read_text().replace('"key": "', '"key": "AA'))
    with pytest.raises(Unavailable, match="damaged"):
        Keyring(file).ids()


def test_an_old_and_a_new_answer_are_forgotten_alike(kept: Store) -> None:
    from penstock.metering.usage_log import forget_answers

    with kept.transaction() as tx:
        assert forget_answers(tx, before=tx.now + timedelta(days=1)) == 3
