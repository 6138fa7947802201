"""Holding money and quota before work starts: never more than there is, and what is unused comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from billing.shop import Shop, open_shop, usd, use_in

from penstock.billing import catalogue, payments
from penstock.billing.accrual import standing_of
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.funding import GRACE_S, SHORTEST_S, expire_grants
from penstock.billing.limits import limit_of, list_limits, set_limit
from penstock.billing.terms import set_terms, terms_of
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, CreditExhausted, NotFound, QuotaExceeded
from penstock.core.ids import random_ids
from penstock.core.money import Money
from penstock.metering.corrections import correct
from penstock.serving.funding import Grant
from penstock.storage.engine import Store


def hold(shop: Shop, customer: str, units: int, product: str = "helpdesk", gateway: str = "gw-1") -> Grant:
    with shop.store.transaction() as tx:
        return shop.funding.open_grant(tx, gateway=gateway, customer=customer, product=product, units=units)


def serve(shop: Shop, customer: str, grant: Grant, units: int, product: str = "helpdesk") -> None:
    with shop.store.transaction() as tx:
        use_in(tx, customer, units, product, None, random_ids("req"))
        shop.funding.settle(tx, [(grant.id, units)])


def prepaid(shop: Shop, amount: str) -> str:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        set_terms(tx, blue, "prepaid")
        add_credit(tx, blue, usd(amount), "bank-1")
    return blue


def test_a_customer_by_invoice_gets_blocks(shop: Shop) -> None:
    blue = shop.customer()
    assert hold(shop, blue, 1).units == 1_000
    assert hold(shop, blue, 5_000).units == 5_000
    last = hold(shop, blue, 1)
    assert (last.cumulative, last.currency, last.allowance) == (6_000, "USD", 0)


@pytest.mark.parametrize("terms", ["invoiced", "prepaid"])
def test_a_dear_unit_in_a_small_currency_is_held_exactly(store: Store, clock: SettableClock, terms: str) -> None:
    report = [{"unit_price": "10000000"}]  # dong: a block of 1,000 such units is 10^19 billionths
    shop = open_shop(store, clock, helpdesk=report, monthly="0", currency="VND")
    blue = shop.customer()
    if terms == "prepaid":
        with shop.store.transaction() as tx:
            add_credit(tx, blue, Money(25_000_000, "VND"), "bank-1")
            set_terms(tx, blue, "prepaid")
    assert hold(shop, blue, 1).units == (1_000 if terms == "invoiced" else 1)
    serve(shop, blue, hold(shop, blue, 1), 1)
    if terms == "prepaid":
        with pytest.raises(CreditExhausted):
            hold(shop, blue, 1)


def test_a_product_without_a_price_is_never_served(shop: Shop) -> None:
    with pytest.raises(NotFound, match="has no price"):
        hold(shop, shop.customer(), 1, product="chess")


def test_credit_is_spent_to_the_last_unit_and_not_beyond(shop: Shop) -> None:
    blue = prepaid(shop, "0.10")  # 25 units at 0.0040
    served = 0
    while True:
        try:
            grant = hold(shop, blue, 1)
        except CreditExhausted:
            break
        serve(shop, blue, grant, grant.units)
        served += grant.units
    assert served == 25
    shop.wait_until("2026-12")
    invoice = shop.invoice("2026-11")
    assert (invoice.total_minor, invoice.credit_minor, invoice.open_minor) == (10, 10, 0)


def test_a_refusal_names_the_numbers(shop: Shop) -> None:
    blue = prepaid(shop, "0.10")
    with pytest.raises(CreditExhausted) as refused:
        hold(shop, blue, 50)
    assert refused.value.message == ("the credit left is 0.1 USD; 50 units of helpdesk cost 0.2 USD with tax")
    assert refused.value.hint == "add at least 0.10 USD of credit"
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("0.10"), "bank-2")
    assert hold(shop, blue, 50).units == 50


def test_tax_is_part_of_what_must_be_covered(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, tax_rate="25%")
    blue = prepaid(shop, "1.00")
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 81, product="translate")
    assert hold(shop, blue, 80, product="translate").units == 80


def test_lines_that_round_up_are_covered_too(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, helpdesk=[{"unit_price": "0.005"}])
    blue = prepaid(shop, "0.01")
    shop.use(blue, 1)  # a line of its own in November: 0.005 is asked for as 0.01
    shop.wait_until("2026-12")
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 1)


def test_what_one_gateway_holds_another_cannot_promise_until_it_is_given_back(shop: Shop) -> None:
    blue = prepaid(shop, "4.00")  # 1,000 units
    first = hold(shop, blue, 600)
    with pytest.raises(CreditExhausted, match=r"the credit left is 1.6 USD"):
        hold(shop, blue, 600, gateway="gw-2")
    serve(shop, blue, first, 100)
    with shop.store.transaction() as tx:
        shop.funding.close(tx, [first.id])
        shop.funding.close(tx, [first.id])
    assert hold(shop, blue, 600, gateway="gw-2").units == 600


def test_a_gateway_that_died_gives_its_units_back_after_expiry_and_grace(shop: Shop) -> None:
    blue = prepaid(shop, "4.00")
    dead = hold(shop, blue, 1_000)
    assert dead.expires_at == shop.clock.now() + timedelta(seconds=60)
    shop.clock.advance(timedelta(seconds=60 + GRACE_S - 1))
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 1, gateway="gw-2")
    shop.clock.advance(timedelta(seconds=1))
    assert hold(shop, blue, 400, gateway="gw-2").units == 500  # half of what is left
    with shop.store.transaction() as tx:
        assert expire_grants(tx) == 1
        assert expire_grants(tx) == 0
    serve(shop, blue, dead, 10)  # work that was done is recorded all the same


def test_a_living_gateway_renews_its_grants_and_only_those_that_live(shop: Shop) -> None:
    blue = shop.customer()
    old = hold(shop, blue, 1)
    shop.clock.advance(timedelta(seconds=40))
    young, other = hold(shop, blue, 1), hold(shop, blue, 1, gateway="gw-2")
    shop.clock.advance(timedelta(seconds=30))
    with shop.store.transaction() as tx:
        renewed = shop.funding.renew(tx, "gw-1")
    assert renewed == {young.id: shop.clock.now() + timedelta(seconds=60)}
    assert old.id not in renewed and other.id not in renewed


def test_a_grant_ends_with_its_month(shop: Shop) -> None:
    blue = shop.customer()
    end = shop.month("2026-11").end
    shop.clock.set(end - timedelta(seconds=20))
    grant = hold(shop, blue, 1)
    assert grant.expires_at == end
    shop.clock.advance(timedelta(seconds=10))
    with shop.store.transaction() as tx:
        assert shop.funding.renew(tx, "gw-1") == {grant.id: end}


def test_a_grant_opened_in_the_last_instant_of_its_month_lasts_long_enough_to_be_used(shop: Shop) -> None:
    blue = shop.customer()
    shop.clock.set(shop.month("2026-11").end - timedelta(milliseconds=1))
    grant = hold(shop, blue, 1)
    assert grant.expires_at == shop.clock.now() + timedelta(seconds=SHORTEST_S)
    shop.clock.advance(timedelta(seconds=1))
    serve(shop, blue, grant, 10)
    with shop.store.transaction() as tx:
        set_limit(tx, blue, "helpdesk", 1_000)
    with pytest.raises(QuotaExceeded):  # December: 10 are used and the other 990 of the grant still held
        hold(shop, blue, 1)


def test_use_of_a_month_not_yet_invoiced_still_counts_against_the_credit(shop: Shop) -> None:
    blue = prepaid(shop, "1.00")
    shop.use(blue, 200)  # 0.80 of November
    for month in ("2026-12", "2027-01", "2027-02"):
        shop.wait_until(month)
        with pytest.raises(CreditExhausted, match=r"the credit left is 0.2 USD"):
            hold(shop, blue, 51)
    shop.invoice("2026-11")
    with shop.store.read() as tx:
        assert credit_balance(tx, blue) == usd("0.20")
    with pytest.raises(CreditExhausted, match=r"the credit left is 0.2 USD"):
        hold(shop, blue, 51)
    assert hold(shop, blue, 50).units == 50


def test_what_was_just_invoiced_does_not_count_twice(shop: Shop) -> None:
    blue = prepaid(shop, "1.00")
    shop.use(blue, 200)  # 0.80 of November
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").open_minor == 0
    assert hold(shop, blue, 50).units == 50


def test_included_units_cost_no_credit_once_the_plan_s_fee_is_covered(shop: Shop) -> None:
    blue = prepaid(shop, "48.99")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    with pytest.raises(CreditExhausted) as refused:
        hold(shop, blue, 1)
    assert refused.value.message == (
        "the credit of 48.99 USD does not cover the 49.00 USD that is owed: plan fees 49.00 USD"
    )
    assert refused.value.hint == "add at least 0.01 USD of credit"
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("0.01"), "bank-2")
    assert hold(shop, blue, 500).units == 500
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 1)


def test_a_cap_holds_for_the_month_and_starts_anew(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        set_limit(tx, "Blue Shop", "helpdesk", 100)
        assert list_limits(tx, blue) == {"helpdesk": 100}
    grant = hold(shop, blue, 90)
    serve(shop, blue, grant, 90)
    with pytest.raises(QuotaExceeded) as refused:
        hold(shop, blue, 11)
    assert refused.value.message == "the monthly limit of 100 units of helpdesk leaves 10; 11 were asked for"
    assert refused.value.retry_after_s == (shop.month("2026-11").end - shop.clock.now()).total_seconds()
    assert hold(shop, blue, 11, product="translate").units == 1_000
    shop.wait_until("2026-12")
    assert hold(shop, blue, 100).units == 100
    with shop.store.transaction() as tx:
        set_limit(tx, blue, "helpdesk", None)
        assert limit_of(tx, blue, "helpdesk") is None
    assert hold(shop, blue, 5_000).units == 5_000


def test_a_plan_s_fee_is_owed_before_use_is_served_each_month(shop: Shop) -> None:
    blue = prepaid(shop, "50.00")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    serve(shop, blue, hold(shop, blue, 750), 750)  # 500 included, 250 for 1.00: all that 50.00 less 49.00 can buy
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 1)
    shop.wait_until("2026-12")
    for _ in range(2):  # before and after November is invoiced
        with pytest.raises(CreditExhausted):  # December's fee is due
            hold(shop, blue, 1)
        assert shop.invoice("2026-11").open_minor == 0
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("49.40"), "bank-2")
    assert hold(shop, blue, 600).units == 600


def test_open_invoices_are_owed_before_use_is_served(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, tax_rate="10%")
    blue = shop.customer()
    shop.use(blue, 1_000)
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").open_minor == 440
    with shop.store.transaction() as tx:
        set_terms(tx, blue, "prepaid")
        add_credit(tx, blue, usd("5.00"), "bank-1")
    grant = hold(shop, blue, 100)
    with pytest.raises(CreditExhausted, match=r"the credit left is 0.16 USD"):
        hold(shop, blue, 100)
    serve(shop, blue, grant, 50)
    with shop.store.transaction() as tx:
        now = standing_of(tx, blue, shop.company)
        assert (now.credit, now.open_invoices, now.running_use, now.held) == (
            usd("5.00"), usd("4.40"), usd("0.20"), usd("0.20"),
        )  # fmt: skip
        assert (now.plan_fees, now.tax, now.owed, now.left) == (usd("0.00"), usd("0.04"), usd("4.84"), usd("0.16"))
        payments.pay_from_credit(tx, invoice="2026-000001", amount=None, operation="onto")
        after = standing_of(tx, blue, shop.company)
        assert (after.credit, after.open_invoices, after.left) == (usd("0.60"), usd("0.00"), usd("0.16"))


def test_what_was_invoiced_and_then_corrected_to_nothing_is_owed_no_longer(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 300, product="translate")
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").total_minor == 300
    time = shop.month("2026-11").end - timedelta(days=1)
    with shop.store.transaction() as tx:
        correct(
            tx, customer=blue, product="translate", units=-300, time=time, reason="a test",
            operation="fix", timezone=shop.company.timezone,
        )  # fmt: skip
        now = standing_of(tx, blue, shop.company)
    assert (now.open_invoices, now.running_use, now.owed) == (usd("3.00"), usd("-3.00"), usd("0.00"))


def test_credit_never_changes_how_a_customer_pays(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("0.04"), "bank-1")
        assert terms_of(tx, blue) == "invoice"
    assert hold(shop, blue, 1_000).units == 1_000
    with shop.store.transaction() as tx:
        set_terms(tx, blue, "prepaid")
    with pytest.raises(CreditExhausted):
        hold(shop, blue, 1)
    with shop.store.transaction() as tx:
        set_terms(tx, blue, "invoice")
        assert terms_of(tx, blue) == "invoice"
    assert hold(shop, blue, 1_000).units == 1_000


def test_adding_credit_counts_once(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("5.00"), "bank-1")
        assert add_credit(tx, blue, usd("5.00"), "bank-1") == usd("5.00")
        with pytest.raises(Conflict):
            add_credit(tx, blue, usd("6.00"), "bank-1")
        for wrong in (Money(100, "EUR"), usd("0.00"), usd("-1.00")):
            with pytest.raises(BadInput):
                add_credit(tx, blue, wrong, "bank-2")


def test_what_a_dead_gateway_holds_is_told_as_held_with_the_time_it_comes_back(shop: Shop) -> None:
    blue = prepaid(shop, "4.00")  # 1,000 units
    dead = hold(shop, blue, 900)
    serve(shop, blue, dead, 634)
    with pytest.raises(CreditExhausted) as refused:
        hold(shop, blue, 110, gateway="gw-2")
    assert refused.value.message == (
        "the credit left is 0.4 USD, and 1.06 USD more is held for requests and by gateways; "
        "110 units of helpdesk cost 0.42 USD with tax"
    )
    assert refused.value.retry_after_s == 6  # a gateway that lives returns what it does not use
    for seconds, wait in ((61, 59), (58, 1)):
        shop.clock.advance(timedelta(seconds=seconds))
        with pytest.raises(CreditExhausted) as refused:
            hold(shop, blue, 110, gateway="gw-2")
        assert refused.value.retry_after_s == wait and "comes back" in str(refused.value.hint)
        with shop.store.transaction() as tx:
            now = standing_of(tx, blue, shop.company)
        assert (now.running_use, now.held, now.left) == (usd("2.54"), usd("1.06"), usd("0.40"))
    shop.clock.advance(timedelta(seconds=1))
    assert hold(shop, blue, 110, gateway="gw-2").units >= 110


def test_credit_that_is_really_used_up_comes_back_by_payment_only(shop: Shop) -> None:
    blue = prepaid(shop, "0.10")
    serve(shop, blue, hold(shop, blue, 25), 25)
    with pytest.raises(CreditExhausted) as refused:
        hold(shop, blue, 1)
    assert refused.value.retry_after_s is None and refused.value.hint == "add at least 0.01 USD of credit"


def test_a_refusal_names_the_price_of_a_unit_whatever_invoices_round(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, helpdesk=[{"unit_price": "0.003"}])
    blue = prepaid(shop, "5.00")
    shop.use(blue, 1_666)  # 4.998: a line of it asks for 5.00
    with pytest.raises(CreditExhausted) as refused:
        hold(shop, blue, 1)
    assert refused.value.message == "the credit left is 0 USD; 1 unit of helpdesk costs 0.003 USD with tax"


def test_a_gateway_that_starts_again_reclaims_what_it_held(shop: Shop) -> None:
    blue = prepaid(shop, "4.00")
    dead, other = hold(shop, blue, 600), hold(shop, blue, 300, gateway="gw-2")
    serve(shop, blue, dead, 100)
    with shop.store.transaction() as tx:
        assert shop.funding.reclaim(tx, ["gw-1"]) == 1
    assert hold(shop, blue, 600).units == 600  # 100 used, 300 held by the other
    serve(shop, blue, other, 300)
    with shop.store.transaction() as tx:
        assert standing_of(tx, blue, shop.company).left == usd("0.00")
