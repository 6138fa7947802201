"""Books kept with the digits of display habits keep their value when they move to ISO 4217's."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from storage.test_engine_and_migrate import at_revision

from penstock.storage import migrate
from penstock.storage.engine import open_engine

NOW = "2026-11-01T00:00:00.000000Z"
BOOK = "insert into book (organisation, currency, timezone, opened_at) values (:org, :currency, 'UTC', :now)"
POSTING = "insert into posting values (:org, 'op-1', :number, :account, 'cus_1', :amount, :currency)"
OPERATION = "insert into ledger_operation values (:org, 'op-1', '', 'opening', null, null, :now)"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that holds nothing."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'p.sqlite'}"
    server = sa.make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg")
    with sa.create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("create database digits"))
    return server.set(drivername="postgresql", database="digits").render_as_string(hide_password=False)


def test_what_was_booked_keeps_its_value_and_stays_unchangeable(empty_url: str) -> None:
    engine = at_revision(empty_url, "0004")
    with engine.begin() as connection:
        for org, currency in (("belgrade", "RSD"), ("baghdad", "IQD"), ("boston", "USD")):
            about = {"org": org, "currency": currency, "now": NOW}
            connection.execute(sa.text(BOOK), about)
            connection.execute(sa.text(OPERATION), about)
            for number, (account, amount) in enumerate((("receivable", 1500), ("earnings", -1500)), start=1):
                entry = {**about, "number": number, "account": account, "amount": amount}
                connection.execute(sa.text(POSTING), entry)
    engine.dispose()
    migrate.upgrade(empty_url)
    engine = open_engine(empty_url, create=True)
    with engine.connect() as connection:
        kept = connection.execute(
            sa.text("select organisation, amount_minor from posting where amount_minor > 0")
        ).all()
    assert {row.organisation: row.amount_minor for row in kept} == {
        "belgrade": 150_000,
        "baghdad": 1_500_000,
        "boston": 1500,
    }
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), engine.begin() as connection:
        connection.execute(sa.text("update posting set amount_minor = 0"))
    engine.dispose()
