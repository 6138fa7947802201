"""The books: what is posted balances, counts once and is never edited."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from billing.shop import Shop

from penstock.billing import ledger
from penstock.billing.tables import invoice, posting
from penstock.core.errors import Broken, Conflict, NotFound
from penstock.storage import counters
from penstock.storage.engine import Store

SALE: list[ledger.Entry] = [
    ("receivable", 106, "USD", "cus_1"),
    ("earnings", -100, "USD", "cus_1"),
    ("tax_payable", -6, "USD", None),
]


def test_an_operation_posted_again_changes_nothing(store: Store) -> None:
    with store.transaction() as tx:
        assert ledger.post(tx, "op", SALE, "a sale") is True
        assert ledger.post(tx, "op", list(reversed(SALE)), "a sale") is False
        assert ledger.balance(tx, "receivable") == {"USD": 106}
        with pytest.raises(Conflict, match="booked before with other amounts"):
            ledger.post(tx, "op", [("cash", 1, "USD", None), ("earnings", -1, "USD", None)], "another")


@pytest.mark.parametrize(
    "entries",
    [
        [("cash", 5, "USD", None), ("earnings", -4, "USD", None)],
        [("cash", 5, "USD", None), ("earnings", -5, "EUR", None)],
        [("pocket", 5, "USD", None), ("earnings", -5, "USD", None)],
    ],
)
def test_what_does_not_balance_is_refused(store: Store, entries: list[ledger.Entry]) -> None:
    with store.transaction() as tx, pytest.raises(Broken):
        ledger.post(tx, "op", entries, "wrong")


def test_a_mistake_is_reversed_once_and_stays_readable(store: Store) -> None:
    with store.transaction() as tx:
        ledger.post(tx, "op", SALE, "a sale", reference="2026-000001")
        assert ledger.reverse(tx, "op", "op-back", "a mistake") is True
        assert ledger.reverse(tx, "op", "op-back", "a mistake") is False
        assert ledger.balance(tx, "receivable", "cus_1") == {"USD": 0}
        with pytest.raises(Conflict, match="was reversed before"):
            ledger.reverse(tx, "op", "op-back-again", "a mistake")
        with pytest.raises(NotFound):
            ledger.reverse(tx, "unknown", "op-2", "a mistake")
        assert len(ledger.entries(tx, reference="2026-000001")) == 6
        assert [one.amount_minor for one in ledger.entries(tx, party="cus_1", operation="op-back")] == [100, -106]


def test_balances_by_account_and_by_party(store: Store) -> None:
    with store.transaction() as tx:
        ledger.post(tx, "a", SALE, "a sale")
        ledger.post(tx, "b", [("receivable", 4, "USD", "cus_2"), ("earnings", -4, "USD", "cus_2")], "a sale")
        totals = [(one.account, one.party, one.amount_minor) for one in ledger.balances(tx)]
        assert totals == [("receivable", None, 110), ("earnings", None, -104), ("tax_payable", None, -6)]
        assert ("receivable", "cus_2", 4) in {
            (one.account, one.party, one.amount_minor) for one in ledger.balances(tx, by_party=True)
        }


@pytest.mark.parametrize("statement", ["update posting set amount_minor = 1", "delete from posting"])
def test_the_database_itself_refuses_to_change_a_posting(store: Store, statement: str) -> None:
    with store.transaction() as tx:
        ledger.post(tx, "op", SALE, "a sale")
    with pytest.raises(sa.exc.DBAPIError, match="never changed or deleted"), store.transaction() as tx:
        tx.execute(sa.text(statement))
    with store.read() as tx:
        assert ledger.balance(tx, "receivable") == {"USD": 106}


def test_every_table_of_record_is_guarded(store: Store) -> None:
    sqlite = "select tbl_name as name from sqlite_master where type = 'trigger'"
    postgres = "select event_object_table as name from information_schema.triggers"
    with store.read() as tx:
        on_sqlite = tx.connection.dialect.name == "sqlite"
        guarded = {row["name"] for row in tx.all(sa.text(sqlite if on_sqlite else postgres))}
    assert {"posting", "ledger_operation", "rating_run", "invoice", "invoice_line", "payment", "refund"} <= guarded


def test_verify_finds_what_does_not_hold_and_says_what_to_do(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 250)
    shop.wait_until("2026-12")
    shop.close("2026-11")
    with shop.store.transaction() as tx:
        assert ledger.verify(tx) == []
        ledger.post(tx, "stray", [("receivable", 7, "USD", blue), ("earnings", -7, "USD", blue)], "no invoice")
        ledger.post(tx, "spent", [("customer_credit", 3, "USD", blue), ("cash", -3, "USD", blue)], "too much")
        row = {"organisation": tx.organisation, "operation": "stray", "number": 9, "account": "cash", "party": None}
        tx.execute(sa.insert(posting), {**row, "amount_minor": 2, "currency": "USD"})
        counters.take(tx, "invoice 2026")
    with shop.store.read() as tx:
        problems = {problem.message: problem for problem in ledger.verify(tx)}
    assert set(problems) == {
        "operation stray sums to 2 minor units of USD, not to zero",
        "its invoices less payments, notes and voids leave 100 minor units open, the ledger 107",
        "its credit is -3 minor units, below zero",
        "invoice numbers of 2026 have gaps: [2] of 2",
    }
    assert all(problem.repair for problem in problems.values())


def test_verify_finds_an_invoice_that_was_never_booked(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 250)
    shop.wait_until("2026-12")
    shop.close("2026-11")
    with shop.store.transaction() as tx:
        row = dict(tx.all(sa.select(invoice).where(invoice.c.organisation == tx.organisation))[0])
        counters.take(tx, "invoice 2026")
        tx.execute(sa.insert(invoice), {**row, "number": "2026-000002", "operation": "forged", "period": "2026-10"})
        found = [problem.message for problem in ledger.verify(tx)]
    assert "invoice forged is 100 minor units, its postings move 0" in found
    assert "the lines of invoice 2026-000002 sum to 0, its net amount is 100" in found
