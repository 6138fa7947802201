"""Prices and plans change by new versions: nothing already sold changes."""

from __future__ import annotations

import pytest
from billing.shop import Shop, workspace

from penstock.billing import catalogue
from penstock.core.errors import Conflict, NotFound
from penstock.storage import counters

DEARER = [{"unit_price": "0.05"}]


def publish(shop: Shop, **changes: object) -> tuple[str, ...]:
    with shop.store.transaction() as tx:
        return catalogue.publish(tx, workspace(**changes))  # type: ignore[arg-type]


def test_publishing_the_same_again_makes_nothing_and_tells_nobody(shop: Shop) -> None:
    with shop.store.read() as tx:
        before = counters.generations(tx)["prices"]
    assert publish(shop) == ()
    assert publish(shop, helpdesk=DEARER) == ("products.helpdesk.price v2",)
    with shop.store.read() as tx:
        assert counters.generations(tx)["prices"] == before + 1
        assert [(one.product, one.number) for one in catalogue.prices(tx)] == [
            ("helpdesk", 1),
            ("helpdesk", 2),
            ("translate", 1),
        ]


def test_a_new_price_holds_from_the_next_month_and_a_first_price_from_the_beginning(shop: Shop) -> None:
    publish(shop, helpdesk=DEARER)
    with shop.store.read() as tx:
        numbers = [catalogue.price_for(tx, "helpdesk", shop.month(m)).number for m in ("2026-10", "2026-11", "2026-12")]
    assert numbers == [1, 1, 2]


def test_a_price_changed_back_and_forth_within_a_month_ends_as_last_said(shop: Shop) -> None:
    publish(shop, helpdesk=DEARER)
    publish(shop)
    with shop.store.read() as tx:
        december = catalogue.price_for(tx, "helpdesk", shop.month("2026-12"))
        november = catalogue.price_for(tx, "helpdesk", shop.month("2026-11"))
    assert (december.number, december.price) == (3, november.price)


def test_a_product_without_a_price_is_refused(shop: Shop) -> None:
    with shop.store.read() as tx, pytest.raises(NotFound, match="'chess' has no price"):
        catalogue.price_for(tx, "chess", shop.month("2026-11"))


@pytest.mark.parametrize("change", [{"currency": "EUR"}, {"timezone": "UTC"}])
def test_currency_and_time_zone_of_the_books_stay(shop: Shop, change: dict[str, str]) -> None:
    with pytest.raises(Conflict, match="the books are kept in"):
        publish(shop, **change)


def test_a_plan_begun_in_mid_month_counts_at_once_and_another_from_the_next(shop: Shop) -> None:
    blue = shop.customer()
    november, december = shop.month("2026-11"), shop.month("2026-12")
    with shop.store.transaction() as tx:
        first = catalogue.subscribe(tx, "Blue Shop", "team")
        assert catalogue.subscribe(tx, blue, "team") == first
        assert catalogue.allowance(tx, blue, "helpdesk", november) == 500
        assert catalogue.allowance(tx, blue, "helpdesk", shop.month("2026-10")) == 0
    shop.wait_until("2026-11", days=20)
    publish(shop, includes=900, monthly="59.00")
    with shop.store.transaction() as tx:
        assert catalogue.allowance(tx, blue, "helpdesk", december) == 500  # a subscriber keeps what it subscribed to
        catalogue.subscribe(tx, blue, "team")
        assert catalogue.allowance(tx, blue, "helpdesk", november) == 500
        assert catalogue.allowance(tx, blue, "helpdesk", december) == 900
        assert [one.plan.number for one in catalogue.list_subscriptions(tx, blue)] == [1, 2]


def test_the_month_a_plan_ends_in_is_the_last(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.wait_until("2026-12")
    with shop.store.transaction() as tx:
        catalogue.unsubscribe(tx, blue)
        assert catalogue.subscribers(tx, shop.month("2026-12")) == {blue}
        assert catalogue.subscribers(tx, shop.month("2027-01")) == set()
        with pytest.raises(NotFound):
            catalogue.unsubscribe(tx, blue)


def test_a_plan_taken_by_mistake_and_changed_at_once_is_not_charged(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
        catalogue.unsubscribe(tx, blue)
        assert catalogue.subscription_of(tx, blue, shop.month("2026-11")) is None
        with pytest.raises(NotFound, match="no plan 'gold'"):
            catalogue.subscribe(tx, blue, "gold")
