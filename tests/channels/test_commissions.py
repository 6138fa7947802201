"""What partners earn, give back and are paid, and the statement that says so."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
import sqlalchemy as sa
from books import Books
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.billing import ledger
from penstock.channels import statements
from penstock.channels.attribution import attribute
from penstock.channels.commissions import earned_minor, list_commissions, settle
from penstock.channels.payouts import list_payouts, owed, payable, payout
from penstock.channels.tables import commission
from penstock.core.clock import SettableClock, period_at
from penstock.core.errors import Broken, Conflict
from penstock.core.money import Money
from penstock.storage.engine import Store


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def test_a_payment_earns_the_share_of_its_net_once(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue Shop", partner.code)
    number = books.bill(customer, 4_900, 294)
    (made,) = books.pay(number, 5_194)
    assert (made.paid_minor, made.net_minor, made.amount_minor) == (5_194, 4_900, 980)
    assert made.payable_at - made.earned_at == timedelta(days=30)
    with books.writing() as tx:
        assert settle(tx) == []
        assert ledger.balance(tx, "partner_payable", partner.id) == {"USD": -980}
        assert ledger.balance(tx, "commission_expense", partner.id) == {"USD": 980}


def test_only_payments_of_brought_customers_after_the_attribution_earn(books: Books) -> None:
    partner = books.partner()
    stranger, late = books.customer("Stranger"), books.customer("Late")
    early_invoice = books.bill(late, 1_000)
    assert books.pay(books.bill(stranger, 1_000), 1_000) == []
    assert books.pay(early_invoice, 600) == []
    books.clock.advance(timedelta(hours=1))
    with books.writing() as tx:
        attribute(tx, late.id, partner.code)
    assert [one.amount_minor for one in books.pay(early_invoice, 400)] == [80]
    # of 700 returned only the 400 that earned count; the rest was paid before
    assert [(one.net_minor, one.amount_minor) for one in books.refund(early_invoice, 700)] == [(-400, -80)]


def test_a_refund_takes_its_part_back_and_edits_nothing(books: Books) -> None:
    partner = books.partner()
    number = books.bill(books.customer("Blue Shop", partner.code), 10_000, 600)
    (earned,) = books.pay(number, 10_600)
    books.clock.advance(timedelta(days=3))
    (back,) = books.refund(number, 5_300)
    assert (back.paid_minor, back.net_minor, back.amount_minor) == (-5_300, -5_000, -1_000)
    (rest,) = books.refund(number, 5_300)
    with books.writing() as tx:
        assert list_commissions(tx, partner.id) == [earned, back, rest]
        assert owed(tx, partner.id) == usd(0)


def test_what_is_paid_back_whole_leaves_nothing_to_earn_on(books: Books) -> None:
    number = books.bill(books.customer("Blue Shop", books.partner().code), 63, 8)
    books._returned[number] = 31  # a credit note took that off what was open, with 3 of the tax
    (earned,) = books.pay(number, 40)
    (back,) = books.refund(number, 40)  # the other 5 of the tax, where the payment had 4
    assert (earned.net_minor, back.net_minor) == (36, -36)


def test_a_payment_taken_back_and_an_invoice_below_zero_reverse_too(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue Shop", partner.code)
    number = books.bill(customer, 1_000)
    books.pay(number, 1_000)
    assert [one.amount_minor for one in books.pay(number, -1_000)] == [-200]
    assert [one.amount_minor for one in books.pay(number, 1_000)] == [200]
    assert [one.amount_minor for one in books.pay(books.bill(customer, -300), -300)] == [-60]
    assert [one.amount_minor for one in books.pay(books.bill(customer, -2_000), -2_000)] == [-140]  # never below zero


def test_a_payout_pays_what_is_payable_once(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue Shop", partner.code)
    number = books.bill(customer, 10_000)
    books.pay(number, 10_000)
    with books.writing() as tx, pytest.raises(Conflict, match=r"(?s)nothing is payable.*20.00 USD is held"):
        payout(tx, partner, "bank-1")
    books.clock.advance(timedelta(days=20))
    books.pay(books.bill(customer, 5_000), 5_000)
    books.clock.advance(timedelta(days=10))
    with books.writing() as tx:
        assert (payable(tx, partner.id), owed(tx, partner.id)) == (usd(2_000), usd(3_000))
        made = payout(tx, partner, "bank-1")
        assert payout(tx, partner, "bank-1") == made and made.amount_minor == 2_000
        assert (payable(tx, partner.id), owed(tx, partner.id)) == (usd(0), usd(1_000))
        assert ledger.balance(tx, "cash", partner.id) == {"USD": -2_000}
        with pytest.raises(Conflict, match="nothing is payable"):
            payout(tx, partner, "bank-2")
    other = books.partner("Sedge")
    with books.writing() as tx, pytest.raises(Conflict, match="paid another partner"):
        payout(tx, other, "bank-1")
    books.refund(number, 10_000)  # after it was paid out: taken from what comes next
    books.clock.advance(timedelta(days=40))
    with books.writing() as tx:
        assert (payable(tx, partner.id), owed(tx, partner.id)) == (usd(-1_000), usd(-1_000))


def test_a_refund_takes_from_what_is_held_before_what_is_payable(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue Shop", partner.code)
    first, second = books.bill(customer, 10_000), books.bill(customer, 10_000)
    books.pay(first, 10_000)
    books.clock.advance(timedelta(days=30))
    books.pay(second, 10_000)
    books.refund(second, 4_000)
    with books.writing() as tx:
        assert (payable(tx, partner.id), owed(tx, partner.id)) == (usd(2_000), usd(3_200))


def test_a_payment_that_bounced_and_came_again_is_held_anew(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue Shop", partner.code)
    number = books.bill(customer, 10_000)
    books.pay(number, 10_000)
    books.clock.advance(timedelta(days=20))
    books.pay(number, -10_000)
    books.clock.advance(timedelta(days=5))
    books.pay(number, 10_000)
    for days, expected in ((5, 0), (24, 0), (1, 2_000)):
        books.clock.advance(timedelta(days=days))
        with books.writing() as tx:
            assert payable(tx, partner.id) == usd(expected)


def test_a_statement_names_the_days_of_the_company_s_zone(store: Store, clock: SettableClock) -> None:
    books = Books(store, timezone="Asia/Shanghai")
    partner = books.partner()
    clock.set(datetime(2026, 11, 30, 17, tzinfo=UTC))  # 1 December, 01:00 in Shanghai
    books.pay(books.bill(books.customer("Blue Shop", partner.code), 10_000), 10_000)
    with books.writing() as tx:
        december = statements.statement(tx, partner, period_at(tx.now, "Asia/Shanghai"))
    opening, line, _ = statements.table(december)
    assert (opening["date"], line["date"], line["payable on"]) == ("2026-12-01", "2026-12-01", "2026-12-31")


def test_a_statement_says_how_the_balance_came_about(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("=Blue|Shop", partner.code)
    number = books.bill(customer, 10_000, 600)
    books.pay(number, 10_600)
    november = period_at(books.clock.now(), "UTC")
    books.clock.advance(timedelta(days=31))
    december = period_at(books.clock.now(), "UTC")
    books.refund(number, 1_060)
    with books.writing() as tx:
        payout(tx, partner, "bank-1")
        ledger.post(
            tx, "gift", [("partner_payable", -5, "USD", partner.id), ("commission_expense", 5, "USD", None)], "rounding"
        )
        first, second = (statements.statement(tx, partner, month) for month in (november, december))
        assert -ledger.balance(tx, "partner_payable", partner.id)["USD"] == second.closing.amount_minor == 5
    assert (first.opening, first.closing, second.opening) == (usd(0), usd(2_000), usd(2_000))
    (line,) = first.lines
    assert (line.customer, line.invoice, line.paid, line.net) == ("=Blue|Shop", number, usd(10_600), usd(10_000))
    assert (line.state, line.amount, f"{line.share:f}") == ("payable", usd(2_000), "0.2")
    assert sorted((one.kind, one.amount.amount_minor) for one in second.lines) == [
        ("adjustment", 5),
        ("payout", -1_800),
        ("reversal", -200),
    ]
    assert json.loads(statements.to_json(second))["closing"] == "0.05"
    marked, bare = statements.to_csv(first), statements.to_csv(first, bom=False)
    assert marked == "\ufeff" + bare and bare.startswith("date,")
    rows = list(csv.reader(io.StringIO(bare)))
    assert rows[1][1] == "opening balance" and rows[-1][1:2] == ["closing balance"]
    assert rows[2][2] == "'=Blue|Shop" and rows[2][4:8] == ["106.00", "100.00", "20%", "20.00"]
    assert all(len(row) == len(rows[0]) for row in rows)
    assert statements.table(second)[-1]["amount"] == usd(5)


def test_books_that_disagree_are_not_built_upon(books: Books) -> None:
    partner = books.partner()
    customer = books.customer("Blue", partner.code)
    (made,) = books.pay(books.bill(customer, 1_000), 1_000)
    with books.writing() as tx:  # a commission that no posting backs
        forged = {
            **vars(made),
            "organisation": tx.organisation,
            "id": "com_forged",
            "source": "pay_forged",
            "number": 9,
        }
        tx.execute(sa.insert(commission), forged)
    with books.writing() as tx, pytest.raises(Broken, match="ledger and commissions disagree"):
        statements.statement(tx, partner, period_at(tx.now, "UTC"))
    with books.writing() as tx:  # and one that is not the share of what was paid
        forged = {**forged, "id": "com_again", "source": "pay_again", "number": 10, "net_minor": 1}
        tx.execute(sa.insert(commission), forged)
    with pytest.raises(Broken, match="not the share of what was paid"):
        books.pay(books.bill(customer, 1_000), 1_000)


MOVES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["pay", "refund", "later"]), st.integers(1, 5_000)), max_size=14
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nets=st.lists(st.integers(1, 20_000), min_size=3, max_size=3), tax=st.integers(0, 30), moves=MOVES)
def test_commissions_are_the_share_of_the_net_paid_whatever_is_paid_and_refunded(
    open_books: Callable[[], Books], nets: list[int], tax: int, moves: list[tuple[int, str, int]]
) -> None:
    books = open_books()
    partner = books.partner()
    customers = [books.customer("Blue", partner.code), books.customer("Red", partner.code)]
    invoices = [books.bill(customers[n % 2], net, net * tax // 100) for n, net in enumerate(nets)]
    totals = dict(zip(invoices, (net + net * tax // 100 for net in nets), strict=True))
    start = period_at(books.clock.now(), "UTC")
    for which, what, amount in moves:
        number = invoices[which]
        if what == "later":
            books.clock.advance(timedelta(days=amount % 40))
        elif what == "pay" and (paying := min(amount, totals[number] - books._paid[number])) > 0:
            books.pay(number, paying)
        elif what == "refund" and (returning := min(amount, books.left(number))) > 0:
            books.refund(number, returning)
    with books.writing() as tx:
        made = list_commissions(tx, partner.id)
        if payable(tx, partner.id).amount_minor > 0:
            payout(tx, partner, "bank-1")
        paid_out = sum(one.amount_minor for one in list_payouts(tx, partner.id))
        assert settle(tx) == []
        for customer in customers:
            own = [one for one in made if one.customer == customer.id]
            net, earned = sum(one.net_minor for one in own), sum(one.amount_minor for one in own)
            assert net >= 0 and 0 <= earned == earned_minor(Decimal("0.2"), net)
        assert all(one.amount_minor >= 0 for one in made if one.source_kind == "payment")
        balance = -ledger.balance(tx, "partner_payable", partner.id).get("USD", 0)
        assert balance == sum(one.amount_minor for one in made) - paid_out
        months = [start]
        while months[-1].end <= tx.now:
            months.append(period_at(months[-1].end, "UTC"))
        read = [statements.statement(tx, partner, month) for month in months]
        assert read[0].opening == usd(0) and read[-1].closing == usd(balance)
        assert all(after.opening == before.closing for before, after in pairwise(read))
        assert sum(len(one.lines) for one in read) == len(made) + len(list_payouts(tx, partner.id))
