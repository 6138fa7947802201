"""Rating: neither the order in which use arrives nor how often it is rated changes what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from billing.shop import Shop, open_shop, use_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.billing import catalogue
from penstock.billing.invoices import invoices_of, line_events
from penstock.billing.rating import breakdown, last_run, rate
from penstock.billing.tables import rating_run
from penstock.billing.verification import verify
from penstock.core.clock import SettableClock
from penstock.core.ids import random_ids
from penstock.core.money import money
from penstock.metering.corrections import correct
from penstock.metering.quantities import quantity
from penstock.storage.engine import Store
from penstock.workspace.records import Price

slow = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

START = datetime(2026, 11, 15, 8, tzinfo=UTC)


def as_tiers(rising: list[tuple[int, Decimal]]) -> list[dict[str, object]]:
    """Graduated tiers from (up_to, unit price); the last one has no end."""
    tiers: list[dict[str, object]] = [{"up_to": bound, "unit_price": f"{price:f}"} for bound, price in sorted(rising)]
    del tiers[-1]["up_to"]
    return tiers


prices = st.lists(
    st.tuples(st.integers(1, 500), st.decimals(0, 1, places=5)), min_size=1, max_size=4, unique_by=lambda tier: tier[0]
).map(as_tiers)


def own_shop(store: Store, clock: SettableClock, tiers: list[dict[str, object]], included: int) -> tuple[Shop, str]:
    """A new organisation with one customer whose plan includes some units (0: no plan)."""
    clock.set(START)
    own = Store(store.engine, random_ids("org"), clock, random_ids)
    shop = open_shop(own, clock, helpdesk=tiers, includes=included or 1)
    customer = shop.customer()
    if included:
        with shop.store.transaction() as tx:
            catalogue.subscribe(tx, customer, "team")
    return shop, customer


@slow
@given(
    tiers=prices,
    included=st.integers(0, 300),
    events=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
    rated_after=st.sets(st.integers(0, 7)),
)
def test_any_order_and_any_number_of_runs_come_to_one_run(
    store: Store,
    clock: SettableClock,
    tiers: list[dict[str, object]],
    included: int,
    events: list[int],
    order: object,
    rated_after: set[int],
) -> None:
    shuffled = list(events)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    once, customer_once = own_shop(store, clock, tiers, included)
    often, customer_often = own_shop(store, clock, tiers, included)
    november = once.month("2026-11")
    for units in events:
        once.use(customer_once, units)
    with once.store.transaction() as tx:
        single = rate(tx, customer_once, "helpdesk", november)
        assert rate(tx, customer_once, "helpdesk", november) is None
    runs = []
    for place, units in enumerate(shuffled):
        often.use(customer_often, units)
        if place in rated_after or place == len(shuffled) - 1:
            with often.store.transaction() as tx:
                runs.append(rate(tx, customer_often, "helpdesk", november))
    assert single is not None
    exact = Price.model_validate({"tiers": tiers}).amount(max(0, sum(events) - included))
    assert single.amount_minor == money(exact, "USD").amount_minor
    assert sum(run.delta_minor for run in runs if run) == single.amount_minor
    assert sum(run.delta_units for run in runs if run) == single.cumulative_units == sum(events)
    price = Price.model_validate({"tiers": tiers})
    for run in [single, *(run for run in runs if run)]:
        uses = breakdown(price, run)
        assert sum(use.units for use in uses) == run.delta_units
    assert sum((use.amount for use in breakdown(price, single)), Decimal(0)) == exact


@slow
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["use", "late", "fix", "close"]), st.integers(1, 300)), min_size=1, max_size=10
    )
)
def test_over_months_every_event_is_asked_for_exactly_once(
    store: Store, clock: SettableClock, steps: list[tuple[str, int]]
) -> None:
    tiers: list[dict[str, object]] = [{"up_to": 250, "unit_price": "0.013"}, {"unit_price": "0.0049"}]
    shop, customer = own_shop(store, clock, tiers, 100)
    months = ["2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]
    now = 0
    for number, (step, size) in enumerate(steps):
        if step == "use":
            shop.use(customer, size)
        elif step == "late":
            earlier = shop.month(months[size % (now + 1)])
            shop.use(customer, size, time=earlier.end - timedelta(days=1) if size % (now + 1) != now else None)
        elif step == "fix":
            month = shop.month(months[size % (now + 1)])
            used = in_month(shop, customer, month.name)
            if used:
                with shop.store.transaction() as tx:
                    time = min(month.end - timedelta(days=1), tx.now)
                    correct(
                        tx, customer=customer, product="helpdesk", units=-min(size, used), time=time, reason="test",
                        operation=f"fix-{number}", timezone="Asia/Shanghai",
                    )  # fmt: skip
        elif now < len(months) - 2:
            now += 1
            shop.wait_until(months[now])
            shop.close(months[now - 1])
    for name in months[now : len(months)]:
        clock.set(shop.month(name).end + timedelta(hours=1))
        shop.close(name)
    check_all(shop, customer, months)


def in_month(shop: Shop, customer: str, month: str) -> int:
    with shop.store.read() as tx:
        return quantity(tx, customer=customer, product="helpdesk", period=shop.month(month)).units


def check_all(shop: Shop, customer: str, months: list[str]) -> None:
    proven: list[int] = []
    asked: dict[str, int] = dict.fromkeys(months, 0)
    with shop.store.read() as tx:
        for name in months:
            for invoice, line in (
                (one, line) for one in invoices_of(tx, [customer], shop.month(name)) for line in one.lines
            ):
                if line.product:
                    events = line_events(tx, invoice.number, line.number)
                    assert sum(event.units for event in events) == line.quantity
                    proven += [event.seq for event in events]
                    asked[line.period.name] += line.amount_minor
        for name in months:
            run = last_run(tx, customer, "helpdesk", shop.month(name))
            assert asked[name] == (run.amount_minor if run else 0)
            expected = max(0, in_month(shop, customer, name) - 100)
            exact = min(expected, 250) * Decimal("0.013") + max(0, expected - 250) * Decimal("0.0049")
            assert asked[name] == money(exact, "USD").amount_minor
        assert verify(tx) == []
    assert sorted(proven) == list(range(1, len(proven) + 1))


def test_two_raters_at_once_make_one_chain_of_runs(store: Store, clock: SettableClock) -> None:
    """Whoever comes second meets the chain's unique key, or finds nothing left to rate."""
    shop, customer = own_shop(store, clock, [{"unit_price": "0.01"}], 0)
    shop.use(customer, 100)
    november = shop.month("2026-11")
    with shop.store.transaction() as tx:
        run = rate(tx, customer, "helpdesk", november)
    assert run is not None
    with pytest.raises(sa.exc.IntegrityError), shop.store.transaction() as tx:
        row = tx.all(sa.select(rating_run).where(rating_run.c.id == run.id))[0]
        use_in(tx, customer, 1, "helpdesk", None, "r-2")
        tx.execute(sa.insert(rating_run), {**row, "id": "run_other", "cutoff_seq": 2})
