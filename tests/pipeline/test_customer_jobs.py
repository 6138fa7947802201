"""A customer as a whole: what belongs to it, and how it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from billing.shop import Shop, open_shop

from penstock.billing import catalogue, credits
from penstock.billing.payments import pay
from penstock.core.clock import SettableClock
from penstock.core.errors import Conflict
from penstock.core.money import money
from penstock.identity.customers import buying_customer, edit_customer, get_customer, list_customers
from penstock.identity.keys import active_keys, create_key
from penstock.pipeline.customers import archive, sheet, unarchive
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    return open_shop(store, clock)


def test_an_archived_customer_pays_for_its_last_use_and_for_no_later_plan(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
        create_key(tx, customer=blue)
        kept, _ = create_key(tx, customer=red)
    shop.use(blue, 600)
    shop.clock.advance(timedelta(days=1))
    with shop.store.transaction() as tx:
        done = archive(tx, blue)
        assert (done.keys, done.unsettled) == (1, ())
        assert done.plan is not None and [str(fee.amount) for fee in done.plan.due] == ["49.00 USD"]
        assert [key.id for key in active_keys(tx)] == [kept.id]
        assert [one.id for one in list_customers(tx, archived=False)] == [red]
        for sale in (lambda: create_key(tx, customer=blue), lambda: catalogue.subscribe(tx, blue, "team")):
            with pytest.raises(Conflict, match="Blue Shop is archived since"):
                sale()
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").net_minor == 4_900 + 40  # the fee, and 100 units beyond the 500 it includes
    shop.wait_until("2027-01")
    assert shop.close("2026-12").invoices == ()


def test_archiving_waits_for_what_is_open_unless_it_is_forced(shop: Shop) -> None:
    blue = shop.customer()
    shop.use(blue, 1_000)
    shop.wait_until("2026-12")
    number = shop.invoice("2026-11").number
    with shop.store.transaction() as tx:
        with pytest.raises(Conflict, match=f"not settled: {number}: 4") as refused:
            archive(tx, blue)
        assert "--force" in str(refused.value.hint) and get_customer(tx, blue).archived_at is None
        pay(tx, invoice=number, amount=money("4.00", "USD"), operation="bank 1", method="bank")
        credits.add_credit(tx, blue, money("7.00", "USD"), "wire 1")
        with pytest.raises(Conflict, match=r"credit: 7\.00 USD"):
            archive(tx, blue)
        done = archive(tx, blue, force=True)
        assert [str(one) for one in done.unsettled] == ["credit: 7.00 USD"]
        assert archive(tx, blue, force=True).customer.archived_at == done.customer.archived_at


def test_a_customer_taken_back_starts_with_new_keys(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        create_key(tx, customer=blue)
        archive(tx, blue)
        assert unarchive(tx, blue).archived_at is None
        assert active_keys(tx) == []
        create_key(tx, customer=blue)
        assert buying_customer(tx, blue).id == blue and len(active_keys(tx)) == 1


def test_the_sheet_has_all_that_belongs_to_it_and_an_edit_leaves_issued_invoices(shop: Shop) -> None:
    blue = shop.customer(address="1 Quay")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.wait_until("2026-12")
    issued = shop.invoice("2026-11")
    with shop.store.transaction() as tx:
        before, after = edit_customer(tx, blue, {"name": "Blue & Sons", "address": "", "locale": "zh-CN"})
        assert (before.name, before.address, before.locale) == ("Blue Shop", "1 Quay", "en")
        assert (after.name, after.address, after.locale, after.email) == ("Blue & Sons", "", "zh-CN", before.email)
        known = sheet(tx, "blue & sons")
        assert known.plan is not None and known.plan.plan.plan == "team"
        assert [(one.number, str(one.open)) for one in known.open_invoices] == [(issued.number, "49.00 USD")]
        assert (known.terms, known.limits, known.brought_by, known.partners) == ("invoice", {}, None, ())
