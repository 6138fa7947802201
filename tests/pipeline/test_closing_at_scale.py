"""Closing a customer's month reads that customer's rows, however many others there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from billing.shop import Shop, open_shop, usd, use_in
from channels.books import workspace as with_agreements

from penstock.billing import catalogue, payments
from penstock.billing.closing import close_customers, customers_to_invoice
from penstock.billing.credits import add_credit
from penstock.billing.records import Invoice
from penstock.billing.verification import broken_among
from penstock.channels import agreements, commissions
from penstock.channels.attribution import attribute
from penstock.channels.partners import add_partner
from penstock.core.clock import SettableClock
from penstock.metering import usage_log
from penstock.storage import counters, migrate
from penstock.storage.engine import Store, is_sqlite
from penstock.storage.schema import metadata

GROWING = (
    "usage_event", "rating_run", "invoice", "invoice_line", "ledger_operation", "posting", "payment", "refund",
    "commission", "attribution", "subscription", "customer", "customer_terms", "consent", "quarantine",
)  # fmt: skip
ONE_CUSTOMERS = "customer|party|operation|reference|invoice|number|rating_run|id|source"  # columns that name few rows
Statement = tuple[str, Any]


def grown(store: Store, clock: SettableClock, customers: int) -> Shop:
    """A company after its first month: invoices, payments, refunds, commissions; then use of December, some late."""
    shop = open_shop(store, clock)
    ids = [shop.customer(f"Shop {number}") for number in range(customers)]
    with store.transaction() as tx:
        agreements.publish(tx, with_agreements(timezone="Asia/Shanghai"))
        partner = add_partner(tx, name="Reed & Co", email="reed@example.com", agreement="referral")
        for number, customer in enumerate(ids):
            if number % 3 == 0:
                catalogue.subscribe(tx, customer, "team")
            if number % 4 == 0:
                add_credit(tx, customer, usd("100.00"), f"wire {customer}")
            if number % 2 == 0:
                attribute(tx, customer, partner.code)
    with store.transaction() as tx:
        for customer in ids:
            use_in(tx, customer, 600, "helpdesk", None, "first")
            use_in(tx, customer, 70, "translate", None, "second")
    shop.wait_until("2026-12")
    invoices = shop.close("2026-11").invoices
    with store.transaction() as tx:
        for one in invoices:
            if one.open_minor:
                payments.pay(tx, invoice=one.number, amount=None, operation=f"bank {one.number}")
                payments.refund(tx, invoice=one.number, amount=usd("0.10"), operation=f"r {one.number}", reason="kind")
                commissions.settle(tx, [one.customer])
        for number, customer in enumerate(ids):
            use_in(tx, customer, 700, "helpdesk", None, "third")
            if number % 3 == 1:
                use_in(tx, customer, 9, "helpdesk", shop.month("2026-11").end - timedelta(hours=1), "late")
    shop.wait_until("2027-01")
    return shop


@contextmanager
def watched(store: Store) -> Iterator[list[Statement]]:
    """The statements that are sent meanwhile, with their parameters."""
    seen: list[Statement] = []

    def look(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and not statement.startswith(("SAVEPOINT", "RELEASE", "BEGIN", "ROLLBACK")):
            seen.append((statement, parameters))

    sa.event.listen(store.engine, "before_cursor_execute", look)
    yield seen
    sa.event.remove(store.engine, "before_cursor_execute", look)


def reads_of_others(store: Store, statement: Statement) -> list[str]:
    """The steps of the statement's plan that read rows of other customers."""
    text, parameters = statement
    with store.engine.connect() as connection:
        if is_sqlite(store.engine):
            plan = connection.exec_driver_sql(f"explain query plan {text}", parameters).all()
            return [row[3] for row in plan if not _narrow_on_sqlite(row[3])]
        for way in ("seqscan", "hashjoin", "mergejoin"):  # how small tables are read, whole
            connection.exec_driver_sql(f"set local enable_{way} = off")
        found = connection.exec_driver_sql(f"explain (format json) {text}", parameters).scalar()
    plans = json.loads(found) if isinstance(found, str) else found
    return [step for plan in plans for step in _wide_on_postgres(plan["Plan"])]


def _narrow_on_sqlite(step: str) -> bool:
    table = re.match(r"(?:SEARCH|SCAN) (\w+)", step)
    if table is None or table[1] not in GROWING:
        return True
    key = rf"\((organisation=\? AND )?((account|source_kind)=\? AND )?({ONE_CUSTOMERS})=\?"
    return re.search(key, step) is not None


def _wide_on_postgres(node: dict[str, Any]) -> Iterator[str]:
    for below in node.get("Plans", ()):
        yield from _wide_on_postgres(below)
    table, index = node.get("Relation Name"), node.get("Index Name", "")
    # a bitmap's scan of an index names no table; few rows: undone invoices and tax rates, not customers' use
    sparse = re.search("_(credit_note|invoice_void|tax_version)(_|$)", index)
    reads = table in GROWING or (table is None and any(re.search(rf"_{name}(_|$)", index) for name in GROWING))
    if not reads or sparse or node["Node Type"] in ("Bitmap Heap Scan", "ModifyTable", "LockRows"):
        return
    if not re.search(rf"\b({ONE_CUSTOMERS})\)?(::\w+)? = ", node.get("Index Cond", "")):
        yield f"{node['Node Type']} {table or ''} {index}: {node.get('Index Cond')}"


NAMES = ("id", "operation", "number", "customer", "party", "reference", "reverses", "rating_run", "invoice", "source")


def multiply(store: Store, times: int) -> None:
    """Give every table so many more rows: those of other customers, alike but for who they are of."""
    with store.transaction() as tx:
        counters.take(tx, usage_log.SEQUENCE, times * 100_000)
        for name in ("customer", *(name for name in GROWING if name not in ("customer", "consent", "quarantine"))):
            table = metadata.tables[name]
            for n in range(1, times + 1):
                values = [_of_another(column, n) for column in table.c]
                originals = sa.select(*values).where(table.c.organisation == tx.organisation, _original(table))
                tx.execute(sa.insert(table).from_select([column.name for column in table.c], originals))


def _of_another(column: sa.Column[Any], n: int) -> Any:
    if column.name in ("seq", "number") and isinstance(column.type, sa.BigInteger):
        return column + n * 100_000
    named = column.name in NAMES or (column.table.name == "customer" and column.name == "name")
    return column + f"~{n}" if named and isinstance(column.type, sa.String) else column


def _original(table: sa.Table) -> sa.ColumnElement[bool]:
    first = next(column for column in table.c if column.name in NAMES and isinstance(column.type, sa.String))
    return first.not_like("%~%")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of its own: what other tests leave in one would decide which plans Postgres takes."""
    url = f"sqlite:///{tmp_path_factory.mktemp('scale') / 'penstock.sqlite'}"
    if request.param == "postgres":
        shared = sa.make_url(request.getfixturevalue("postgres_url"))
        server = sa.create_engine(shared.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql("create database closing_at_scale")
        server.dispose()
        url = shared.set(database="closing_at_scale").render_as_string(hide_password=False)
    migrate.upgrade(url)
    return url


@pytest.fixture
def page(store: Store, clock: SettableClock) -> tuple[Shop, list[str]]:
    """A shop with many customers, and six of them whose December can be closed."""
    shop = grown(store, clock, customers=24)
    with store.read() as tx:
        customers = customers_to_invoice(tx, shop.month("2026-12"))[:6]
    multiply(store, 100)
    if not is_sqlite(store.engine):
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("analyze")
    return shop, customers


def test_no_query_of_a_page_reads_the_rows_of_other_customers(store: Store, page: tuple[Shop, list[str]]) -> None:
    shop, customers = page
    with watched(store) as statements, store.transaction() as tx:
        made = close_customers(tx, customers, shop.month("2026-12"), shop.company, commissions.settle)
    assert all(isinstance(one, Invoice) for one in made) and len(made) == len(customers)
    assert len(statements) > 40
    wide = {text: steps for text, parameters in statements if (steps := reads_of_others(store, (text, parameters)))}
    assert wide == {}
    assert len(statements) < 14 * len(customers) + 60  # what is read is read for all of the page at once
    with store.read() as tx:
        assert broken_among(tx, customers) == {}


def test_a_payment_is_settled_without_reading_other_payments(store: Store, page: tuple[Shop, list[str]]) -> None:
    _, customers = page
    with watched(store) as narrow, store.transaction() as tx:
        commissions.settle(tx, customers[:1])
    with watched(store) as wide, store.transaction() as tx:
        commissions.settle(tx)
    assert {text: steps for text, parameters in narrow if (steps := reads_of_others(store, (text, parameters)))} == {}
    assert any(reads_of_others(store, statement) for statement in wide)  # the check itself can fail


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_work_for_a_customer_does_not_grow_with_the_number_of_customers(store: Store, clock: SettableClock) -> None:
    shop = grown(store, clock, customers=12)
    december = shop.month("2026-12")
    with store.read() as tx:
        customers = customers_to_invoice(tx, december)[:8]

    def steps(some: list[str]) -> int:
        """Steps of SQLite's machine, in hundreds, that closing takes."""
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        with store.transaction() as tx:
            raw: Any = tx.connection.connection.dbapi_connection
            raw.set_progress_handler(tick, 100)
            close_customers(tx, some, december, shop.company, commissions.settle)
            raw.set_progress_handler(None, 0)
        return count

    among_few = steps(customers[:4])
    multiply(store, 50)
    among_many = steps(customers[4:])
    assert 0 < among_many < 1.5 * among_few, (among_few, among_many)
