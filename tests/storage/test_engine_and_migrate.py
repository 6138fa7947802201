"""The database keeps times exactly, refuses to be opened by older code, and says what to do when it cannot work."""

import importlib
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

import penstock
from penstock.billing.records import TaxPart
from penstock.billing.register import get_invoice
from penstock.billing.taxes import InForce, rates_of
from penstock.billing.terms import terms_of
from penstock.core.errors import BadInput, Unavailable
from penstock.identity.customers import add_customer
from penstock.storage import migrate, sqlite
from penstock.storage.engine import Store, open_engine, open_store
from penstock.storage.schema import Instant, generation, metadata


def test_a_time_comes_back_exactly_and_sorts_as_time(store: Store) -> None:
    china = timezone(timedelta(hours=8))
    moments = [datetime(2026, 11, 1, 7, 59, 59, 999_999, tzinfo=china), datetime(2026, 11, 1, 0, 0, tzinfo=china)]
    kept = [Instant().process_bind_param(moment, None) for moment in moments]
    assert kept == ["2026-10-31T23:59:59.999999Z", "2026-10-31T16:00:00.000000Z"]
    assert [Instant().process_result_value(text, None) for text in kept] == moments
    with pytest.raises(ValueError, match="without a zone"):
        Instant().process_bind_param(datetime(2026, 11, 1), None)


def test_a_database_of_newer_code_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'p.sqlite'}"
    assert migrate.upgrade(url) and not migrate.upgrade(url)
    engine = open_engine(url, create=True)
    with engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(BadInput, match="newer than this Penstock"):
        migrate.upgrade(url)


def at_revision(url: str, revision: str) -> sa.Engine:
    """A database as an earlier Penstock left it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = open_engine(url, create=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


@pytest.mark.parametrize("text", ["card lost", 'she said "no"\n退款 \\ 😀', "7", "null", None])
def test_feedback_of_an_earlier_schema_keeps_what_the_customer_asked(tmp_path: Path, text: str | None) -> None:
    url = f"sqlite:///{tmp_path / 'p.sqlite'}"
    engine = at_revision(url, "0001")
    values = "'fb_1', 'main', 1, 'cus_1', 'desk', 'req_1', 0, null, 'lost_card', '', 0, :text, 0, :now"
    with engine.begin() as connection:
        kept = {"text": text, "now": "2026-11-01T00:00:00.000000Z"}
        connection.execute(sa.text(f"insert into feedback values ({values})"), kept)  # noqa: S608
    engine.dispose()
    assert migrate.upgrade(url) and not migrate.upgrade(url)
    engine = open_engine(url, create=True)
    with engine.connect() as connection:
        row = connection.execute(sa.text("select * from feedback")).mappings().one()
    engine.dispose()
    assert (row["id"], row["correction"], "text" in row) == ("fb_1", "lost_card", False)
    assert row["input"] is None if text is None else json.loads(row["input"]) == text


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_invoices_of_an_earlier_schema_stay_and_their_month_can_be_invoiced_anew(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'p.sqlite'}" if kind == "sqlite" else f"{request.getfixturevalue('postgres_url')}"
    if kind == "postgres":
        engine = open_engine(url, create=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("create database before_undo"))
        engine.dispose()
        url = str(sa.make_url(url).set(database="before_undo").render_as_string(hide_password=False))
    engine = at_revision(url, "0007")
    now = "2026-11-01T00:00:00.000000Z"
    rows = (
        "insert into invoice values ('main', '2026-000001', 'invoice/2026-10/c', 'c', '2026-10', :now, :now, 'USD',"
        " 100, 6, 106, 0, 7, '{}', '{}', '{\"rate\": \"0.06\"}', :now, :now)",
        "insert into invoice_line values ('main', '2026-000001', 1, 'usage', 'Router', 'router', null, 'run_1',"
        " '2026-10', :now, :now, 10, 'prediction', '[]', 100, 0, 7)",
        "insert into payment values ('main', 'pay_1', 'p1', '2026-000001', 'c', 50, 3, 'USD', 'bank', :now)",
        "insert into customer_terms values ('main', 'c', 'prepaid')",
        "insert into book values ('main', 'USD', 'UTC', :now)",
        "insert into document values ('main', 'workspace', '{\"company\": {\"tax_rate\": \"0.06\"}}', :now)",
    )
    with engine.begin() as connection:
        for row in rows:
            connection.execute(sa.text(row.replace(":now", f"'{now}'")))
    engine.dispose()
    assert migrate.upgrade(url)
    engine = open_engine(url, create=True)
    store = Store(engine, "main")
    with store.read() as tx:
        kept = get_invoice(tx, "2026-000001")
        assert (kept.total_minor, kept.lines[0].rating_run, kept.notes, kept.void) == (106, "run_1", (), None)
        assert terms_of(tx, "c") == "prepaid"
        assert (kept.taxes, kept.lines[0].tax_rate) == ((TaxPart(Decimal("0.06"), 100, 6),), Decimal("0.06"))
        assert rates_of(tx, ["c"]).of("c", kept.period.start) == InForce(Decimal("0.06"))
    with pytest.raises(sa.exc.DBAPIError, match="never changed or deleted"), engine.begin() as connection:
        connection.execute(sa.text("delete from invoice"))
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(
            sa.text(rows[2].replace(":now", f"'{now}'").replace("pay_1", "pay_2").replace("000001", "9"))
        )
    with engine.begin() as connection:
        again = rows[0].replace("000001", "000002").replace("/c'", "/c/2'").replace(":now", f"'{now}'")
        connection.execute(sa.text(again))
    store.close()


def test_a_reader_does_not_wait_for_a_writer_and_a_second_writer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    url = f"sqlite:///{tmp_path / 'p.sqlite'}"
    migrate.upgrade(url)
    store = open_store(url, "main")
    with store.transaction() as writing:
        writing.execute(sa.insert(generation), {"organisation": "main", "topic": "keys", "value": 1})
        with store.read() as reading:
            assert reading.all(sa.select(generation)) == []
        with pytest.raises(Unavailable, match="locked"), store.transaction():
            pass
    store.close()


def test_a_bad_address_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown database 'mysql'") as refused:
        open_engine("mysql://root:hunter2@localhost/x")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(BadInput, match="folder of the database does not exist"):
        open_engine(f"sqlite:///{tmp_path}/no/such/folder/p.sqlite")


def test_the_migrations_make_exactly_the_tables_that_the_rooms_declare(store: Store) -> None:
    root = Path(penstock.__file__).parent
    for file in root.rglob("*tables.py"):
        importlib.import_module(".".join(("penstock", *file.relative_to(root).with_suffix("").parts)))
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [found for found in compare_metadata(context, metadata) if found[0] != "remove_table"]
    assert differences == []
    assert len(metadata.tables) > 30


def test_the_database_itself_refuses_to_change_a_fact(store: Store) -> None:
    with store.transaction() as tx:
        who = add_customer(tx, name="Maple", email="it@maple.example.com", training_consent=True)
    for verb in ("update consent set customer = 'x'", "delete from consent"):
        with pytest.raises(sa.exc.DBAPIError, match="never changed or deleted"), store.transaction() as tx:
            tx.execute(sa.text(f"{verb} where customer = '{who.id}'"))
