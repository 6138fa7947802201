"""Closing a month: what each customer is asked for, once, with the proof of every line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from billing.shop import Shop, open_shop, usd, use_in, workspace

from penstock.billing import catalogue, ledger, payments, register
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.invoices import (
    close_customers,
    customers_to_invoice,
    get_invoice,
    invoice_customer,
    line_events,
    list_invoices,
    to_json,
)
from penstock.billing.records import Invoice
from penstock.billing.subscriptions import subscribe
from penstock.billing.tables import posting
from penstock.billing.verification import quarantined, release_from_quarantine, verify
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Broken, Conflict, NotFound
from penstock.metering.corrections import correct
from penstock.storage.engine import Store


def test_a_month_s_use_is_charged_tier_by_tier_and_proven_event_by_event(shop: Shop) -> None:
    blue = shop.customer()
    for units in (600, 300, 250):
        shop.use(blue, units)
    shop.wait_until("2026-12")
    invoice = shop.invoice("2026-11")
    [line] = invoice.lines
    assert (line.kind, line.quantity, line.unit, line.amount_minor) == ("usage", 1_150, "prediction", 430)
    assert [(tier.units, str(tier.unit_price), str(tier.amount)) for tier in line.tiers] == [
        (1_000, "0.0040", "4.0000"),
        (150, "0.0020", "0.3000"),
    ]
    with shop.store.read() as tx:
        first = line_events(tx, invoice.number, 1, limit=2)
        rest = line_events(tx, invoice.number, 1, after=first[-1].seq)
        with pytest.raises(NotFound):
            line_events(tx, invoice.number, 1, customer="someone else")
        with pytest.raises(NotFound):
            line_events(tx, invoice.number, 2)
    assert [event.units for event in first + rest] == [600, 300, 250]
    assert (invoice.total_minor, invoice.open_minor, invoice.state) == (430, 430, "open")


def test_a_month_that_has_not_ended_is_not_closed(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 10)
    shop.clock.set(shop.month("2026-11").end - timedelta(seconds=1))
    with pytest.raises(Conflict, match="2026-11 has not ended") as early:
        shop.close("2026-11")
    assert "penstock bill preview" in str(early.value.hint)
    with pytest.raises(Conflict), shop.store.transaction() as tx:
        invoice_customer(tx, blue, shop.month("2026-11"), shop.company)
    shop.clock.advance(timedelta(seconds=1))
    assert shop.invoice("2026-11").total_minor == 4


def test_the_month_is_the_company_s_not_greenwich_s(shop: Shop) -> None:
    blue = shop.customer()
    midnight = datetime(2026, 11, 30, 16, tzinfo=UTC)  # 1 December 00:00 in Shanghai
    shop.use(blue, 100, time=midnight - timedelta(microseconds=1))
    shop.use(blue, 1, time=midnight)
    shop.wait_until("2027-01")
    assert [shop.invoice(month).lines[0].quantity for month in ("2026-11", "2026-12")] == [100, 1]


def test_closing_twice_gives_the_same_invoices_and_late_use_goes_to_the_next(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 900)
    shop.wait_until("2026-12")
    first = shop.invoice("2026-11")
    shop.use(blue, 40)
    shop.use(blue, 300, time=shop.month("2026-11").end - timedelta(hours=1))
    assert shop.close("2026-11").invoices == (first,)
    shop.wait_until("2027-01")
    second = shop.invoice("2026-12")
    late, usage = second.lines
    assert (late.kind, late.period.name, late.quantity, late.amount_minor) == ("late usage", "2026-11", 300, 80)
    assert [(tier.units, str(tier.unit_price)) for tier in late.tiers] == [(100, "0.0040"), (200, "0.0020")]
    assert (usage.kind, usage.period.name, usage.quantity, usage.amount_minor) == ("usage", "2026-12", 40, 16)
    with shop.store.read() as tx:
        assert [event.units for event in line_events(tx, second.number, 1)] == [300]
        assert [event.units for event in line_events(tx, second.number, 2)] == [40]
        assert [event.units for event in line_events(tx, first.number, 1)] == [900]
        assert verify(tx) == []


def test_the_invoice_that_a_closing_answers_is_the_one_that_is_kept_and_nobody_reads_it_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan, late use, use of two tiers, and credit that pays a part."""
    blue = shop.customer()
    with shop.store.transaction() as tx:
        subscribe(tx, blue, "team")
        add_credit(tx, customer=blue, amount=usd("1.00"), operation="gift", memo="hello")
    shop.use(blue, 1_900)
    shop.wait_until("2026-12")
    read: list[int] = []
    complete = register._complete
    monkeypatch.setattr(register, "_complete", lambda tx, rows: read.append(len(rows)) or complete(tx, rows))
    made = shop.invoice("2026-11")
    assert sum(read) == 0 and made.credit_minor == 100
    with shop.store.read() as tx:
        assert get_invoice(tx, made.number) == made


def test_use_that_arrived_before_the_month_before_was_closed_is_charged(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 100)
    shop.wait_until("2026-12", days=4)
    shop.use(blue, 7)  # December's, already in the log when November is closed
    assert shop.invoice("2026-11").lines[0].quantity == 100
    shop.wait_until("2027-01")
    assert [(line.kind, line.quantity) for line in shop.invoice("2026-12").lines] == [("usage", 7)]


def test_use_that_arrives_while_the_month_is_being_closed_is_charged_with_the_next(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    shop.use(blue, 100)
    shop.wait_until("2026-12")
    november = shop.month("2026-11")
    with shop.store.read() as tx:
        assert customers_to_invoice(tx, november) == [blue]
    shop.use(red, 50, time=november.end - timedelta(seconds=1))  # a gateway commits its last event of the month
    with shop.store.transaction() as tx:
        close_customers(tx, [blue], november, shop.company)
    shop.wait_until("2027-01")
    (missed,) = shop.close("2026-12").invoices
    assert (missed.customer, [(line.kind, line.quantity) for line in missed.lines]) == (red, [("late usage", 50)])
    shop.wait_until("2027-02")
    assert shop.close("2027-01").invoices == ()


def test_a_month_closed_after_its_successor_asks_for_nothing_twice(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 100)
    shop.wait_until("2026-12")
    shop.use(blue, 50)
    shop.wait_until("2027-01")
    assert [(line.kind, line.quantity) for line in shop.invoice("2026-12").lines] == [
        ("late usage", 100),
        ("usage", 50),
    ]
    assert shop.invoice("2026-11").total_minor == 0


def test_a_plan_s_fee_and_its_included_units(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.use(blue, 700)
    shop.wait_until("2026-12")
    plan, usage = shop.invoice("2026-11").lines
    assert (plan.kind, plan.title, plan.amount_minor) == ("plan", "Team", 4_900)
    assert [(tier.units, tier.unit_price and str(tier.unit_price)) for tier in usage.tiers] == [
        (500, None),
        (200, "0.0040"),
    ]
    assert usage.amount_minor == 80
    with shop.store.read() as tx, pytest.raises(BadInput, match="it has no usage events"):
        line_events(tx, "2026-000001", 1)


def test_a_subscriber_that_used_nothing_gets_an_invoice_and_a_stranger_gets_none(shop: Shop) -> None:
    blue, free = shop.customer(), shop.customer("Free Shop")
    shop.customer("Idle Shop")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.use(free, 1)  # 0.0040 rounds to nothing
    shop.wait_until("2026-12")
    totals = {one.customer: (one.total_minor, one.state) for one in shop.close("2026-11").invoices}
    assert totals == {blue: (4_900, "open"), free: (0, "paid")}


def test_tax_is_added_and_rounded_once(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, tax_rate="6%")
    blue = shop.customer()
    shop.use(blue, 1_021)
    shop.wait_until("2026-12")
    invoice = shop.invoice("2026-11")
    assert (invoice.net_minor, invoice.tax_minor, invoice.total_minor) == (404, 24, 428)
    with store.read() as tx:
        assert ledger.balance(tx, "tax_payable") == {"USD": -24}
        assert ledger.balance(tx, "earnings", blue) == {"USD": -404}
        assert ledger.balance(tx, "receivable", blue) == {"USD": 428}


def test_an_invoice_takes_what_it_can_from_credit(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("10.00"), "bank-1")
        add_credit(tx, red, usd("1.00"), "bank-2")
    shop.use(blue, 500)
    shop.use(red, 500)
    shop.wait_until("2026-12")
    found = {one.customer: (one.total_minor, one.credit_minor, one.state) for one in shop.close("2026-11").invoices}
    assert found == {blue: (200, 200, "paid"), red: (200, 100, "open")}
    with shop.store.read() as tx:
        assert credit_balance(tx, blue) == usd("8.00")
        assert credit_balance(tx, red) == usd("0.00")
        assert verify(tx) == []


def test_a_correction_after_the_invoice_gives_the_money_back_as_credit(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 1_000)
    shop.wait_until("2026-12")
    first = shop.invoice("2026-11")
    with shop.store.transaction() as tx:
        time = shop.month("2026-11").end - timedelta(days=2)
        correct(
            tx, customer=blue, product="helpdesk", units=-600, time=time, reason="double sent", operation="fix-1",
            timezone=shop.company.timezone,
        )  # fmt: skip
    shop.wait_until("2027-01")
    note = shop.invoice("2026-12")
    assert [(line.kind, line.quantity, line.amount_minor) for line in note.lines] == [("late usage", -600, -240)]
    assert (note.total_minor, note.credit_minor, note.open_minor, note.state) == (-240, -240, 0, "paid")
    with shop.store.read() as tx:
        assert credit_balance(tx, blue) == usd("2.40")
        assert get_invoice(tx, first.number).open_minor == 400  # the first invoice stays as it was
        assert verify(tx) == []


def test_numbers_have_no_gap_and_start_anew_each_year(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    shop.use(blue, 10)
    shop.use(red, 10)
    shop.wait_until("2026-12")
    with pytest.raises(RuntimeError), shop.store.transaction() as tx:
        assert invoice_customer(tx, blue, shop.month("2026-11"), shop.company).number == "2026-000001"
        raise RuntimeError("the power failed before the commit")
    assert [one.number for one in shop.close("2026-11").invoices] == ["2026-000001", "2026-000002"]
    shop.use(red, 5)
    shop.wait_until("2027-01")
    assert [one.number for one in shop.close("2026-12").invoices] == ["2027-000001"]
    with shop.store.read() as tx:
        assert [one.number for one in list_invoices(tx, customer=red)] == ["2026-000002", "2027-000001"]
        assert [one.customer for one in list_invoices(tx, after="2026-000001", limit=1)] == [red]
        assert verify(tx) == []


def test_an_invoice_keeps_what_it_said_when_the_price_the_company_and_the_customer_change(shop: Shop) -> None:
    blue = shop.customer(address="1 Old Street")
    shop.use(blue, 100)
    dearer = workspace(helpdesk=[{"unit_price": "0.05"}], name="Harbour AI Ltd")
    with shop.store.transaction() as tx:
        catalogue.publish(tx, dearer)
    shop.wait_until("2026-12")
    invoice = shop.invoice("2026-11")
    assert invoice.lines[0].amount_minor == 40  # November began before the new price
    shop.use(blue, 100)
    shop.wait_until("2027-01")
    shop.company = dearer.company
    assert shop.invoice("2026-12").lines[0].amount_minor == 500
    with shop.store.read() as tx:
        kept = to_json(get_invoice(tx, invoice.number))
    assert (kept["seller"]["name"], kept["buyer"]["address"]) == ("Harbour AI", "1 Old Street")


def test_one_broken_customer_is_put_aside_and_the_others_are_invoiced(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    shop.use(blue, 250)
    shop.use(red, 250)
    with shop.store.transaction() as tx:
        ledger.post(tx, "gift", [("cash", 5, "USD", blue), ("earnings", -5, "USD", blue)], "a gift")
        broken = {"organisation": tx.organisation, "operation": "gift", "number": 9, "account": "earnings"}
        tx.execute(sa.insert(posting), {**broken, "party": blue, "amount_minor": -1, "currency": "USD"})
    shop.wait_until("2026-12")
    closing = shop.close("2026-11")
    assert [one.customer for one in closing.invoices] == [red]
    assert [one.customer for one in closing.quarantined] == [blue]
    assert "operation gift sums to -1" in closing.quarantined[0].reason
    with pytest.raises(Broken), shop.store.transaction() as tx:
        release_from_quarantine(tx, blue)
    with shop.store.transaction() as tx:  # the missing side
        tx.execute(sa.insert(posting), {**broken, "number": 10, "party": blue, "amount_minor": 1, "currency": "USD"})
        release_from_quarantine(tx, blue)
        assert quarantined(tx) == []
    assert [one.customer for one in shop.close("2026-11").invoices] == [red, blue]


def test_use_of_a_product_without_a_price_is_never_free(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 10, product="unheard-of")
    shop.wait_until("2026-12")
    [put_aside] = shop.close("2026-11").quarantined
    assert "'unheard-of' has no price" in put_aside.reason


def test_two_closings_at_once_issue_each_invoice_once(shop: Shop) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = ["Blue Shop", "Red Shop", "Green Shop"]
    customers = [shop.customer(name) for name in names]
    for customer in customers:
        shop.use(customer, 100)
    shop.wait_until("2026-12")
    month = shop.month("2026-11")

    def close(some: list[str]) -> list[str]:
        with shop.store.transaction() as tx:
            return [one.number for one in close_customers(tx, some, month, shop.company) if isinstance(one, Invoice)]

    pieces = [customers, customers[::-1], *([customer] for customer in customers * 2)]
    with ThreadPoolExecutor(4) as pool:
        issued = {number for numbers in pool.map(close, pieces) for number in numbers}
    assert issued == {"2026-000001", "2026-000002", "2026-000003"}
    with shop.store.read() as tx:
        assert verify(tx) == []


def test_an_invoice_reads_as_json(shop: Shop) -> None:
    blue = shop.customer(locale="zh-CN")
    shop.use(blue, 1_150)
    shop.wait_until("2026-12")
    number = shop.invoice("2026-11").number
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice=number, amount=usd("1.30"), operation="p1")
        read = to_json(get_invoice(tx, number))
    assert (read["total"], read["paid"], read["open"], read["state"]) == ("4.30", "1.30", "3.00", "open")
    assert read["period"] == {"name": "2026-11", "start": "2026-10-31T16:00:00Z", "end": "2026-11-30T16:00:00Z"}
    assert read["lines"][0]["events"] == "/v1/invoices/2026-000001/lines/1/events"
    assert read["lines"][0]["tiers"][1] == {"units": 150, "unit_price": "0.0020", "amount": "0.3000"}


def test_two_requests_in_one_transaction_are_two_events(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        use_in(tx, blue, 5, "helpdesk", None, "a")
        use_in(tx, blue, 6, "translate", None, "b")
    shop.wait_until("2026-12")
    assert [(line.product, line.unit) for line in shop.invoice("2026-11").lines] == [
        ("helpdesk", "prediction"),
        ("translate", "request"),
    ]
