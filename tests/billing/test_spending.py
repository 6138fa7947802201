"""Caps in money, of a customer and of one of its keys: never overshot, warned of at 50, 80 and 100 %."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from billing.shop import Shop, usd, use_in, workspace

from penstock.app.account_api import account
from penstock.billing.limit_states import LimitState, limit_states, warnings_of
from penstock.billing.limits import set_limit
from penstock.billing.spending import key_spent, set_spend_limit, spend_limit_of
from penstock.core.clock import period_at
from penstock.core.errors import BadInput, NotFound, QuotaExceeded
from penstock.core.ids import random_ids
from penstock.identity.keys import create_key
from penstock.pipeline import limit_warnings
from penstock.pipeline.keys import replace_key
from penstock.pipeline.limit_warnings import warn_of_limits
from penstock.runtime.house import House
from penstock.serving.endpoints import EndpointRequest
from penstock.serving.funding import Grant
from penstock.serving.limits import key_limits, set_key_limit
from penstock.storage.blobs import BlobStore
from penstock.workspace.records import MailServer


def hold(shop: Shop, customer: str, units: int, key: str = "", gateway: str = "gw-1") -> Grant:
    with shop.store.transaction() as tx:
        asked = {"gateway": gateway, "customer": customer, "product": "helpdesk", "units": units}
        return shop.funding.open_grant(tx, **asked, key=key)


def serve(shop: Shop, customer: str, grant: Grant, units: int) -> None:
    with shop.store.transaction() as tx:
        use_in(tx, customer, units, "helpdesk", None, random_ids("req"))
        shop.funding.settle(tx, [(grant.id, units)])


def capped(shop: Shop, amount: str) -> str:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        set_spend_limit(tx, "Blue Shop", usd(amount))
    return blue


def new_key(shop: Shop, customer: str, minor: int | None) -> str:
    with shop.store.transaction() as tx:
        key, _ = create_key(tx, customer=customer)
        set_key_limit(tx, key.id, concurrency=None, amount_minor=minor)
    return key.id


def used_up(shop: Shop, customer: str, key: str = "") -> int:
    """Serve unit after unit, two gateways in turn, until both are refused; answers how many."""
    served, refused = 0, 0
    while refused < 2:
        try:
            grant = hold(shop, customer, 1, key, gateway=f"gw-{served % 2}")
        except QuotaExceeded:
            refused += 1
            continue
        refused = 0
        serve(shop, customer, grant, grant.units)
        served += grant.units
    return served


def test_a_customer_by_invoice_stops_at_its_cap_to_the_unit_and_starts_anew_next_month(shop: Shop) -> None:
    blue = capped(shop, "4.10")  # 1,000 units at 0.0040, then 50 at 0.0020
    assert used_up(shop, blue) == 1_050
    with pytest.raises(QuotaExceeded) as refused:
        hold(shop, blue, 1)
    assert "may spend 4.10 USD a month before tax; 4.1 USD is used" in refused.value.message
    with shop.store.read() as tx:
        left_s = (period_at(tx.shared_now, shop.company.timezone).end - tx.shared_now).total_seconds()
    assert refused.value.retry_after_s == pytest.approx(left_s, abs=5)
    shop.wait_until("2026-12")
    assert hold(shop, blue, 1_000).units == 1_000


def test_what_another_gateway_holds_counts_against_the_cap(shop: Shop) -> None:
    blue = capped(shop, "4.00")
    first = hold(shop, blue, 900)
    with pytest.raises(QuotaExceeded):
        hold(shop, blue, 101, gateway="gw-2")
    assert hold(shop, blue, 100, gateway="gw-2").units == 100
    with shop.store.transaction() as tx:
        shop.funding.close(tx, [first.id])
    assert hold(shop, blue, 900).units == 900


def test_a_cap_is_lifted_and_a_cap_of_nothing_stops_what_costs(shop: Shop) -> None:
    blue = capped(shop, "0")
    with pytest.raises(QuotaExceeded):
        hold(shop, blue, 1)
    with shop.store.transaction() as tx:
        set_spend_limit(tx, blue, None)
        assert spend_limit_of(tx, blue, "USD") is None
        with pytest.raises(BadInput):
            set_spend_limit(tx, blue, usd("-1"))
    assert hold(shop, blue, 1).units == 1_000


def test_a_key_stops_at_its_own_cap_and_the_others_do_not(shop: Shop) -> None:
    blue = shop.customer()
    key, other = new_key(shop, blue, 200), new_key(shop, blue, None)
    assert used_up(shop, blue, key) == 500  # 2.00 at 0.0040
    with shop.store.read() as tx:
        assert key_spent(tx, key, "2026-11") == Decimal("2")
        assert key_spent(tx, other, "2026-11") == 0
    assert hold(shop, blue, 700).units == 1_000
    with pytest.raises(QuotaExceeded, match=r"this key may spend 2\.00 USD a month"):
        hold(shop, blue, 1, key)
    shop.wait_until("2026-12")
    assert hold(shop, blue, 1, key).units == 250  # half of what is left


def test_a_rotation_gives_no_money_back(shop: Shop) -> None:
    blue = shop.customer()
    first, stranger = new_key(shop, blue, 200), new_key(shop, blue, 200)
    held = hold(shop, blue, 250, first)
    serve(shop, blue, held, held.units)  # 1.00 of 2.00
    with shop.store.transaction() as tx:
        second, _ = replace_key(tx, first, timedelta(hours=1))
    assert used_up(shop, blue, second.id) == 250
    with shop.store.transaction() as tx:
        third, _ = replace_key(tx, second.id, timedelta(hours=1))
    for key in (first, second.id, third.id):
        with pytest.raises(QuotaExceeded, match=r"2 USD is used"):
            hold(shop, blue, 1, key)
    with shop.store.transaction() as tx:
        assert key_spent(tx, third.id, "2026-11") == Decimal("2") and key_spent(tx, stranger, "2026-11") == 0
        states = {one.name: one.percent for one in limit_states(tx, blue, shop.company)}
    assert states == {first: 100, second.id: 100, third.id: 100, stranger: 0}
    shop.wait_until("2026-12")
    assert hold(shop, blue, 1, third.id).units == 250


def test_what_an_old_key_holds_counts_for_its_successor(shop: Shop) -> None:
    blue = shop.customer()
    first = new_key(shop, blue, 200)
    hold(shop, blue, 400, first)
    with shop.store.transaction() as tx:
        second, _ = replace_key(tx, first, timedelta(hours=1))
    with pytest.raises(QuotaExceeded):
        hold(shop, blue, 101, second.id)
    assert hold(shop, blue, 100, second.id).units == 100


def test_a_key_s_unused_units_come_back_to_it(shop: Shop) -> None:
    blue = shop.customer()
    key = new_key(shop, blue, 200)
    grant = hold(shop, blue, 400, key)
    serve(shop, blue, grant, 100)
    with pytest.raises(QuotaExceeded):
        hold(shop, blue, 101, key, gateway="gw-2")
    with shop.store.transaction() as tx:
        shop.funding.close(tx, [grant.id])
    assert hold(shop, blue, 400, key, gateway="gw-2").units == 400


def test_a_key_s_limits_are_checked(shop: Shop) -> None:
    key = new_key(shop, shop.customer(), 5)
    with shop.store.transaction() as tx:
        assert key_limits(tx)[key].amount_minor == 5
        for wrong in ({"concurrency": 0, "amount_minor": None}, {"concurrency": None, "amount_minor": -1}):
            with pytest.raises(BadInput):
                set_key_limit(tx, key, **wrong)
        with pytest.raises(NotFound):
            set_key_limit(tx, "nobody", concurrency=1, amount_minor=None)
        set_key_limit(tx, key, concurrency=None, amount_minor=None)
        assert key_limits(tx) == {}


@pytest.fixture
def house(shop: Shop, blobs: BlobStore, tmp_path: Path) -> House:
    mail = MailServer(host="mail.example.com", sender="billing@harbour.example")
    space = workspace().model_copy(update={"folder": tmp_path, "mail": mail})
    return House(space, shop.store, blobs, "")


def test_customers_are_warned_once_a_step_in_their_language(
    shop: Shop, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    monkeypatch.setattr(limit_warnings, "deliver", lambda message, server, environment: sent.append(message))
    blue = shop.customer(locale="zh-CN")
    with shop.store.transaction() as tx:
        set_spend_limit(tx, blue, usd("1.00"))
        set_limit(tx, blue, "translate", 10)
    reached = []
    for units in (100, 25, 0, 75, 50):  # 0.40, 0.50, 0.50, 0.80, 1.00
        if units:
            serve(shop, blue, hold(shop, blue, units), units)
        shop.clock.advance(timedelta(minutes=3))
        reached.append(warn_of_limits(house))
    assert reached == [0, 1, 0, 1, 1]
    with shop.store.read() as tx:
        told = warnings_of(tx, blue, "2026-11")
    assert [(one.subject, one.percent, one.mailed) for one in told] == [
        ("money", 50, True),
        ("money", 80, True),
        ("money", 100, True),
    ]
    assert sent[0]["To"] == "pay@example.com" and "50%" in sent[0]["Subject"]
    assert "2026-11 的消费限额 1.00 USD 已用 0.5（不含税）" in sent[0].get_content()


def test_an_account_shows_balance_limits_and_prices(shop: Shop, house: House) -> None:
    blue = capped(shop, "2.00")
    key = new_key(shop, blue, 100)
    serve(shop, blue, hold(shop, blue, 100), 100)
    with shop.store.transaction() as tx:
        told = account(house, EndpointRequest(tx, blue, key, {}, {}, None))
        states = limit_states(tx, blue, shop.company)
    assert states[0] == LimitState("money", "", Decimal("2.00"), Decimal("0.4000"))
    assert told["limits"][0] == {"kind": "money", "name": "", "limit": "2.00", "used": "0.4000", "percent": 20}
    assert told["limits"][1]["kind"] == "key" and told["key"]["id"] == key
    assert told["balance"]["used"] == "0.40" and told["balance"]["held"] == "0.60"  # of 250 held, 100 were used
    assert told["prices"][0]["tiers"][0] == {"up_to": 1_000, "unit_price": "0.0040"}
