"""What a founder reads on the first page, and that it is what the books say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, busy_harbour, open_harbour

from penstock.analytics.attention import Need, needs
from penstock.analytics.overview import overview
from penstock.analytics.records import CustomerFigures, Overview, ProductFigures
from penstock.billing import ledger
from penstock.billing.invoices import list_invoices
from penstock.billing.payments import list_payments, list_refunds
from penstock.billing.verification import quarantine
from penstock.channels.commissions import list_commissions
from penstock.core.money import Money, money
from penstock.identity.customers import add_customer
from penstock.metering.quantities import daily, quantity
from penstock.storage.engine import Store


def usd(amount: str) -> Money:
    return money(amount, "USD")


@pytest.fixture
def harbour(tmp_path: Path, store: Store) -> Harbour:
    return busy_harbour(tmp_path, store)


def view(harbour: Harbour, month: str) -> Overview:
    with harbour.store.read() as tx:
        return overview(tx, harbour.house.workspace, harbour.month(month))


def product(found: Overview, name: str) -> ProductFigures:
    return next(one for one in found.products if one.name == name)


def customer(found: Overview, id: str) -> CustomerFigures:
    return next(one for one in found.customers if one.id == id)


def test_a_closed_month_has_earned_what_the_ledger_booked_for_its_invoices(harbour: Harbour) -> None:
    found = view(harbour, "2026-10")
    with harbour.store.read() as tx:
        numbers = [one.number for one in list_invoices(tx, period="2026-10")]
        booked = [one for number in numbers for one in ledger.entries(tx, reference=number)]

    def sum_of(account: str) -> Money:
        return Money(sum(one.amount_minor for one in booked if one.account == account), "USD")

    assert found.money.revenue == -sum_of("earnings") == usd("59.00")
    assert found.money.open_total == sum_of("receivable") == usd("27.24")
    assert found.money.commissions == sum_of("commission_expense")
    assert found.money.invoices == len(numbers) == 2


def test_products_and_plan_fees_together_are_the_revenue(harbour: Harbour) -> None:
    found = view(harbour, "2026-10")
    fees = usd("49.00")
    assert sum((one.revenue for one in found.products), fees) == found.money.revenue


def test_the_money_of_a_month_adds_up(harbour: Harbour) -> None:
    found = view(harbour, "2026-10").money
    with harbour.store.read() as tx:
        payments, refunds, earned = list_payments(tx), list_refunds(tx), list_commissions(tx)
    assert found.invoiced_total - found.paid_total == found.open_total
    assert found.paid_total.amount_minor == sum(one.amount_minor for one in payments)
    assert found.refunded_total.amount_minor == sum(one.amount_minor for one in refunds) == 500
    assert found.commissions.amount_minor == sum(one.amount_minor for one in earned) > 0


def test_an_unclosed_month_shows_what_its_use_will_cost(harbour: Harbour) -> None:
    before = view(harbour, "2026-11")
    assert product(before, "helpdesk").unbilled == usd("2.56")  # 1,140 units, 500 of them in the plan
    assert product(before, "helpdesk").unbilled_units == product(before, "helpdesk").units == 1_140
    assert customer(before, harbour.blue).unbilled == usd("52.16")  # and 200 of kefu, and the plan's 49.00
    assert before.money.unbilled == usd("52.16")
    assert before.money.revenue == usd("0.00")

    harbour.clock.set(datetime(2026, 12, 1, tzinfo=UTC))
    harbour.close("2026-11")
    after = view(harbour, "2026-11")
    assert after.money.revenue == before.money.unbilled
    assert after.money.unbilled == usd("0.00")
    assert product(after, "helpdesk").unbilled_units == 0


def test_use_that_arrives_after_the_invoice_is_unbilled_again(harbour: Harbour) -> None:
    now = harbour.clock.now()
    harbour.clock.set(datetime(2026, 10, 20, tzinfo=UTC))
    harbour.use(harbour.blue, "helpdesk", 100)
    harbour.clock.set(now)
    late = product(view(harbour, "2026-10"), "helpdesk")
    assert (late.unbilled_units, late.unbilled) == (100, usd("0.20"))  # beyond 1,000 units: the second tier


def test_units_are_those_that_metering_counts(harbour: Harbour) -> None:
    found = view(harbour, "2026-11")
    month = harbour.month("2026-11")
    with harbour.store.read() as tx:
        counted = quantity(tx, customer=harbour.blue, product="helpdesk", period=month).units
        by_day = daily(tx, harbour.blue, month, "Asia/Shanghai")
    assert product(found, "helpdesk").units == counted
    used = {day.day: day.units for day in found.days if day.units}
    assert used == {day: sum(one.units for one in by_day if one.day == day) for day in {one.day for one in by_day}}
    assert len(found.days) == 30


def test_a_product_shows_the_release_the_decision_and_what_was_measured(harbour: Harbour) -> None:
    helpdesk = product(view(harbour, "2026-11"), "helpdesk")
    assert (helpdesk.release, helpdesk.data_version, helpdesk.open_feedback) == (1, 1, 1)
    assert helpdesk.judgement is not None and helpdesk.judgement.passed and helpdesk.judgement.number == 2
    assert helpdesk.measured is not None
    assert helpdesk.measured.candidate == harbour.good
    assert helpdesk.measured.quality.low < 112 / 120 < helpdesk.measured.quality.high
    assert product(view(harbour, "2026-11"), "kefu").measured is None


def test_the_newest_no_is_shown_beside_the_release_that_still_serves(harbour: Harbour) -> None:
    worse = harbour.candidate("helpdesk", "ngram-linear.v1", 60)
    helpdesk = product(view(harbour, "2026-11"), "helpdesk")
    assert helpdesk.release == 1 and helpdesk.measured is not None and helpdesk.measured.candidate == harbour.good
    assert helpdesk.judgement is not None and helpdesk.judgement.candidate == worse.id
    assert helpdesk.judgement.why is not None and not helpdesk.judgement.why["passed"]


def test_a_customer_shows_terms_open_invoices_and_credit(harbour: Harbour) -> None:
    found = view(harbour, "2026-11")
    blue, hai = customer(found, harbour.blue), customer(found, harbour.hai)
    assert (blue.terms, blue.plan, blue.open_invoices, blue.open_total) == ("invoice", "Team", 1, usd("27.24"))
    assert (hai.terms, hai.plan, hai.open_invoices, hai.credit) == ("prepaid", None, 0, usd("14.70"))


def test_what_waits_is_named_with_how_much(harbour: Harbour) -> None:
    def waiting() -> tuple[Need, ...]:
        found = view(harbour, "2026-11")
        with harbour.store.read() as tx:
            return needs(tx, harbour.house.workspace, found)

    assert waiting() == (Need("feedback", "helpdesk", 1), Need("untrained", "kefu"))
    harbour.clock.set(datetime(2026, 12, 1, tzinfo=UTC))
    harbour.candidate("kefu", "ngram-linear.v1", 118)
    assert waiting() == (
        Need("overdue", "", 1, usd("27.24")),
        Need("unclosed", "2026-11", 1),
        Need("feedback", "helpdesk", 1),
        Need("releasable", "kefu", 1),
    )


def test_a_month_that_was_never_closed_and_a_customer_put_aside_wait(harbour: Harbour) -> None:
    harbour.clock.set(datetime(2027, 1, 5, tzinfo=UTC))
    with harbour.store.transaction() as tx:
        quarantine(tx, harbour.hai, "no price")
        found = needs(tx, harbour.house.workspace, overview(tx, harbour.house.workspace, harbour.month("2026-12")))
    assert [(one.kind, one.subject, one.count) for one in found if one.kind == "unclosed"] == [
        ("unclosed", "2026-11", 1),
        ("unclosed", "2026-12", 1),  # a plan ran on, though nothing was used
    ]
    assert [(one.subject, one.name) for one in found if one.kind == "quarantined"] == [(harbour.hai, "海港商店")]


def test_an_empty_company_has_an_overview_too(tmp_path: Path, store: Store) -> None:
    found = view(open_harbour(tmp_path, store), "2026-10")
    assert [one.name for one in found.products] == ["helpdesk", "kefu"]
    assert found.customers == () and found.balances == ()
    assert found.money.revenue == usd("0.00")


def test_more_customers_do_not_mean_more_queries(harbour: Harbour) -> None:
    def queries() -> int:
        count = 0

        def one_more(*_: object) -> None:
            nonlocal count
            count += 1

        sa.event.listen(harbour.store.engine, "before_cursor_execute", one_more)
        view(harbour, "2026-11")
        sa.event.remove(harbour.store.engine, "before_cursor_execute", one_more)
        return count

    few = queries()
    for number in range(20):
        with harbour.store.transaction() as tx:
            made = add_customer(tx, name=f"Shop {number}", email=f"{number}@example.com")
        harbour.use(made.id, "helpdesk", 5)
    assert queries() == few


def test_another_company_on_the_same_database_is_not_seen(harbour: Harbour) -> None:
    elsewhere = Store(harbour.store.engine, f"{harbour.store.organisation}-other", harbour.clock)
    with elsewhere.read() as tx:
        found = overview(tx, harbour.house.workspace, harbour.month("2026-10"))
    assert found.customers == () and found.balances == ()
    assert all(one.units == 0 and one.release is None for one in found.products)
    assert found.money.invoices == 0
