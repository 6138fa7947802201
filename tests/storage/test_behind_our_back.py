"""A database that is renamed, replaced or damaged is noticed: nothing is acknowledged that others cannot read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.core.errors import NotFound, Unavailable
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine, open_store
from penstock.storage.integrity import damages, how
from penstock.storage.schema import generation


@pytest.fixture
def file(tmp_path: Path, sqlite_url: str) -> Path:
    migrate.upgrade(sqlite_url)
    return Path(shutil.copy(sqlite_url.removeprefix("sqlite:///"), tmp_path / "penstock.sqlite"))


@pytest.fixture
def opened(file: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{file}", "main")
    bump(store, "before")
    yield store
    store.close()


def bump(store: Store, topic: str) -> None:
    with store.transaction() as tx:
        tx.execute(sa.insert(generation), {"organisation": "main", "topic": topic, "value": 1})


def topics(store: Store) -> set[str]:
    with store.read() as tx:
        found = {row["topic"] for row in tx.all(sa.select(generation.c.topic))}
    return found & {"before", "after", "lost"}  # a new database has topics of its own


def test_a_renamed_file_is_neither_written_nor_read_and_no_empty_one_takes_its_place(opened: Store, file: Path) -> None:
    moved = file.rename(file.with_name("old.sqlite"))
    with pytest.raises(Unavailable, match="renamed or removed"):
        bump(opened, "lost")
    with pytest.raises(Unavailable, match="renamed or removed"):
        topics(opened)
    assert not file.exists()
    moved.rename(file)
    bump(opened, "after")
    assert topics(opened) == {"before", "after"}


def test_a_file_renamed_within_a_transaction_is_not_committed_to(opened: Store, file: Path) -> None:
    with pytest.raises(Unavailable, match="renamed"), opened.transaction() as tx:
        tx.execute(sa.insert(generation), {"organisation": "main", "topic": "lost", "value": 1})
        moved = file.rename(file.with_name("old.sqlite"))
    moved.rename(file)
    assert topics(opened) == {"before"}


def test_a_replaced_file_is_refused_also_by_new_connections(opened: Store, file: Path) -> None:
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)
    with pytest.raises(Unavailable, match="replaced"):
        bump(opened, "lost")
    with pytest.raises(Unavailable, match="replaced"), opened.engine.connect(), opened.engine.connect() as another:
        another.begin()


def test_a_removed_log_is_noticed(opened: Store, file: Path) -> None:
    """What was committed is in the log until a checkpoint: without it the database's file alone is an older one."""
    file.with_name("penstock.sqlite-wal").unlink()
    with pytest.raises(Unavailable, match="log was removed"):
        bump(opened, "lost")


def test_a_database_that_is_missing_or_empty_is_not_made_unless_it_may_be(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.sqlite'}"
    with pytest.raises(NotFound, match="no database") as refusal:
        migrate.upgrade(url, create=False)
    assert "penstock apply" in str(refusal.value) and "penstock restore" in str(refusal.value)
    with pytest.raises(Unavailable, match="not there"), open_store(url, "main").read():
        pass
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "none.sqlite").touch()
    with pytest.raises(NotFound):
        migrate.upgrade(url, create=False)


def test_an_empty_postgres_is_not_taken_for_a_company(postgres_url: str) -> None:
    admin = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("create database vacant")
    url = sa.make_url(postgres_url).set(database="vacant").render_as_string(hide_password=False)
    with pytest.raises(NotFound, match="no database"):
        migrate.upgrade(url, create=False)
    engine = open_engine(url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    admin.dispose()


def test_damaged_pages_are_found_and_nothing_is_written_any_more(opened: Store, file: Path) -> None:
    with opened.transaction() as tx:
        rows = [{"organisation": "main", "topic": f"{'y' * 80}{n}", "value": n} for n in range(2_000)]
        tx.execute(sa.insert(generation), rows)
    assert damages(opened.engine) == []
    opened.close()  # folds the log into the file
    with opened.engine.connect() as connection:
        root = connection.execute(sa.text("select rootpage from sqlite_master where name = 'generation'")).scalar()
        size = connection.exec_driver_sql("pragma page_size").scalar()
    opened.engine.dispose()
    with file.open("r+b") as stream:
        stream.seek((root - 1) * size)
        stream.write(b"\xff" * size)
    assert damages(opened.engine)
    with pytest.raises(Unavailable, match=r"damaged.*malformed"):
        bump(opened, "lost")
    with pytest.raises(Unavailable, match="damaged"), opened.transaction():
        pass  # a part that is whole is not written either


def test_damage_is_named_by_postgres_too(postgres_url: str) -> None:
    migrate.upgrade(postgres_url)
    engine = open_engine(postgres_url)
    assert damages(engine) == []
    with pytest.raises(Unavailable, match=r"damaged.*XX001"), Store(engine, "main").transaction() as tx:
        tx.execute(sa.text("do $$ begin raise 'invalid page' using errcode = 'XX001'; end $$"))
    with pytest.raises(Unavailable, match="damaged"), Store(engine, "main").transaction():
        pass
    engine.dispose()


DOUBLE = """set allow_system_table_mods = on;
insert into pg_extension values (99999, 'amcheck', 10, 2200, false, '1.3', null, null);
create function bt_index_check(regclass) returns void language plpgsql as $$ begin
if $1::text in ('pk_key', 'pk_customer') then raise 'wrong tuple in %%', $1 using errcode = 'XX002'; end if; end $$;
revoke execute on function bt_index_check(regclass) from public;
drop role if exists plain_role;
create role plain_role login;
grant all on all tables in schema public to plain_role"""  # as the extension, which the wheel's server lacks, does it


def test_postgres_indexes_are_checked_by_amcheck_or_it_is_said_that_they_are_not(postgres_url: str) -> None:
    admin = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with admin.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("create database checked")
    admin.dispose()
    url = sa.make_url(postgres_url).set(database="checked").render_as_string(hide_password=False)
    migrate.upgrade(url)
    engine = open_engine(url)
    assert damages(engine) == [] and how(engine) == "every row read; no index was looked at: create extension amcheck"
    with engine.begin() as connection:
        connection.exec_driver_sql(DOUBLE)
    assert how(engine) == "amcheck, every row read"
    assert damages(engine) == ["pk_customer: wrong tuple in pk_customer", "pk_key: wrong tuple in pk_key"]
    with engine.begin():
        pass  # looking is not meeting it: who runs says what to do
    engine.dispose()
    plain = open_engine(sa.make_url(url).set(username="plain_role").render_as_string(hide_password=False))
    said = "grant execute on function bt_index_check(regclass) to plain_role"
    assert how(plain).endswith(said) and damages(plain) == []
    plain.dispose()


@pytest.mark.parametrize(("role", "session"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_postgres_acknowledges_only_what_is_on_disk(postgres_url: str, role: str, session: str) -> None:
    admin = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with admin.begin() as connection:
        connection.exec_driver_sql(f"alter role current_user set synchronous_commit to {role}")
    try:
        engine = open_engine(postgres_url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("show synchronous_commit").scalar() == session
        with engine.connect() as connection:  # the pool rolls back what a connection did before
            assert connection.exec_driver_sql("show synchronous_commit").scalar() == session
        engine.dispose()
    finally:
        with admin.begin() as connection:
            connection.exec_driver_sql("alter role current_user reset synchronous_commit")
        admin.dispose()
