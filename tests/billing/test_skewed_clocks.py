"""Gateways whose clocks differ never promise the same money twice: leases go by the database's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from billing.shop import Shop, usd
from serving.support import PRODUCTS, load, make_company, running, wait_for

from penstock.billing.catalogue import publish
from penstock.billing.credits import add_credit
from penstock.billing.funding import LedgerFunding
from penstock.billing.terms import set_terms
from penstock.core.clock import SkewedClock, SystemClock
from penstock.core.errors import CreditExhausted
from penstock.core.money import money
from penstock.serving.funding import Grant
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.workspace.records import Company, Workspace


def seen_by(store: Store, ahead: timedelta) -> Store:
    return Store(store.engine, store.organisation, SkewedClock(store.clock, ahead), store.ids, store.keys)


def hold(shop: Shop, store: Store, customer: str, units: int) -> Grant:
    with store.transaction() as tx:
        return shop.funding.open_grant(tx, gateway="gw-2", customer=customer, product="helpdesk", units=units)


@pytest.mark.parametrize("ahead", [timedelta(seconds=300), timedelta(seconds=-300), timedelta(days=40)])
def test_what_one_gateway_holds_no_other_promises_whatever_its_clock_says(shop: Shop, ahead: timedelta) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        set_terms(tx, blue, "prepaid")
        add_credit(tx, blue, usd("4.00"), "bank-1")  # 1,000 units
    wrong = seen_by(shop.store, ahead)
    for first, second in ((shop.store, wrong), (wrong, shop.store)):
        grant = hold(shop, first, blue, 1_000)
        assert grant.expires_at == shop.clock.now() + timedelta(seconds=60)
        with pytest.raises(CreditExhausted):
            hold(shop, second, blue, 1)
        shop.clock.advance(timedelta(seconds=40))
        with first.transaction() as tx:
            assert shop.funding.renew(tx, "gw-2")[grant.id] == shop.clock.now() + timedelta(seconds=60)
        with first.transaction() as tx:
            shop.funding.close(tx, [grant.id])


class Wrong(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(seconds=300)


def test_the_shared_time_is_the_database_s(store: Store) -> None:
    wrong = Store(store.engine, store.organisation, Wrong(), store.ids, store.keys)
    with wrong.transaction() as tx:
        assert abs((tx.shared_now - datetime.now(UTC)).total_seconds()) < 10
        assert (tx.now - tx.shared_now).total_seconds() > 290


def test_two_gateways_five_minutes_apart_serve_what_was_paid_for_and_date_it_alike(
    store: Store, blobs: BlobStore
) -> None:
    harbour = Company(name="Harbour AI")
    with store.transaction() as tx:
        publish(tx, Workspace(company=harbour, products=PRODUCTS))
    company = make_company(store, blobs, funding=LedgerFunding(harbour))
    with store.transaction() as tx:
        set_terms(tx, company.customer, "prepaid")
        add_credit(tx, company.customer, money("0.40", "USD"), "topup-1")  # 190 units
    wrong = seen_by(store, timedelta(seconds=300))
    with (
        running(company) as right,
        running(company, store=wrong) as ahead,
        load(right, clients=4, inputs=2, stop_at=402) as some,
        load(ahead, clients=4, inputs=2, stop_at=402) as others,
    ):
        wait_for(lambda: all(sum(one.status_code == 402 for one in list(each)) >= 4 for each in (some, others)), 20)
    events = company.events()
    # never more; the last units may be held by one gateway at the moment when the other says 402
    assert 182 <= sum(event.units for event in events) <= 190
    assert {event.time for event in events} == {store.clock.now()}
