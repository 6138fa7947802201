"""Prices and plans change by new versions: nothing already sold changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from billing.shop import Shop, workspace

from penstock.billing import catalogue
from penstock.billing.plan_changes import preview_end, preview_start
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


def test_a_plan_ended_on_the_day_it_began_unused_never_ran(shop: Shop) -> None:
    blue = shop.customer()
    november = shop.month("2026-11")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.clock.advance(timedelta(hours=3))
    with shop.store.transaction() as tx:
        said = preview_end(tx, blue)
        assert said.cancelled and said.due == ()
        ended = catalogue.unsubscribe(tx, blue)
        assert ended.ended_at == ended.started_at
        assert catalogue.subscribers(tx, november) == set()
        assert catalogue.allowance(tx, blue, "helpdesk", november) == 0
    shop.wait_until("2026-12")
    assert shop.close("2026-11").invoices == ()


@pytest.mark.parametrize("why", ["used", "next day"])
def test_a_plan_that_ran_is_due_in_full_and_that_is_said_before(shop: Shop, why: str) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    shop.clock.advance(timedelta(minutes=1))
    if why == "used":
        shop.use(blue, 1)
    else:
        shop.clock.advance(timedelta(hours=8))  # past midnight in Shanghai
    with shop.store.transaction() as tx:
        said = preview_end(tx, blue)
        catalogue.unsubscribe(tx, blue)
    assert not said.cancelled and said.holds_from == shop.month("2026-12").start
    assert [(fee.period, str(fee.amount)) for fee in said.due] == [("2026-11", "49.00 USD")]
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").net_minor == 4_900


def test_a_plan_taken_by_mistake_gives_way_to_the_right_one_at_once(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
    publish(shop, includes=900, monthly="59.00")
    shop.clock.advance(timedelta(minutes=5))
    with shop.store.transaction() as tx:
        said = preview_start(tx, blue, "team")
        catalogue.subscribe(tx, blue, "team")
        assert catalogue.allowance(tx, blue, "helpdesk", shop.month("2026-11")) == 900
    assert said.cancelled and said.holds_from == shop.clock.now()
    assert [(fee.period, fee.amount.amount_minor) for fee in said.due] == [("2026-11", 5_900)]


def test_what_a_start_and_a_change_will_do_is_said_before(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        start = preview_start(tx, blue, "team")
        assert (start.before, start.holds_from) == (None, tx.now)
        assert [(fee.period, fee.plan, fee.amount.amount_minor) for fee in start.due] == [("2026-11", "team", 4_900)]
        assert catalogue.open_subscription(tx, blue) is None  # saying changes nothing
        with pytest.raises(NotFound, match="Blue Shop has no plan"):
            preview_end(tx, blue)
        catalogue.subscribe(tx, blue, "team")
        assert not preview_start(tx, blue, "team").changes
    shop.clock.advance(timedelta(days=2))
    publish(shop, includes=900, monthly="59.00")
    with shop.store.transaction() as tx:
        change = preview_start(tx, blue, "team")
        assert change.changes and not change.cancelled
        assert change.holds_from == shop.month("2026-12").start
        assert [(fee.period, fee.amount.amount_minor) for fee in change.due] == [("2026-11", 4_900), ("2026-12", 5_900)]
