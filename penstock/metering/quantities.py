"""How much of a product a customer used in a period, summed from the usage log. Knows no prices.

An event belongs to the period that holds its time, [start, end), whenever it arrived. Sequence numbers become
visible in order, so "seq <= cutoff" names the same events for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from penstock.core.clock import Period, zone_of
from penstock.metering.tables import usage_event
from penstock.storage.engine import Transaction
from penstock.storage.sql import halves, whole

MOST_QUANTITY = 10**15  # units of a product in a month that are billed: more is a mistake somewhere


@dataclass(frozen=True)
class Quantity:
    """`units` used by `customer` of `product` in `period`; cutoff_seq: the last event counted (0: there is none)."""

    customer: str
    product: str
    period: Period
    units: int
    cutoff_seq: int


@dataclass(frozen=True)
class Day:
    """Units of one product on one calendar day."""

    day: date
    product: str
    units: int


@dataclass(frozen=True)
class Span:
    """A customer's events of a product between two moments, both inclusive: what arrived late lies in these months."""

    customer: str
    product: str
    first: datetime
    last: datetime


def quantity(tx: Transaction, *, customer: str, product: str, period: Period, up_to_seq: int | None = None) -> Quantity:
    """The exact sum of the period's events, those with seq <= `up_to_seq` if it is given."""
    column = usage_event.c
    query = sa.select(*halves(column.units), sa.func.coalesce(sa.func.max(column.seq), 0).label("seq"))
    query = query.where(*_of(tx, period), column.customer == customer, column.product == product)
    if up_to_seq is not None:
        query = query.where(column.seq <= up_to_seq)
    row = tx.all(query)[0]
    return Quantity(customer, product, period, whole(row), int(row["seq"]))


def quantities(
    tx: Transaction, customers: Sequence[str], period: Period, *, up_to_seq: int | None = None
) -> list[Quantity]:
    """What each of the customers used of each product in the period, by customer and product. One query."""
    column = usage_event.c
    query = (
        sa.select(column.customer, column.product, *halves(column.units), sa.func.max(column.seq).label("seq"))
        .where(*_of(tx, period), column.customer.in_(customers))
        .group_by(column.customer, column.product)
        .order_by(column.customer, column.product)
    )
    if up_to_seq is not None:
        query = query.where(column.seq <= up_to_seq)
    return [Quantity(row["customer"], row["product"], period, whole(row), int(row["seq"])) for row in tx.all(query)]


def first_use(tx: Transaction) -> datetime | None:
    """The time of the first event there is; None without events."""
    column = usage_event.c
    found: datetime | None = tx.scalar(
        sa.select(sa.func.min(column.time)).where(column.organisation == tx.organisation)
    )
    return found


def users(tx: Transaction, period: Period) -> set[str]:
    """Customers with an event in the period. Looks once a customer that ever used anything, not at every event."""
    column = usage_event.c
    first = sa.select(sa.func.min(column.customer)).where(column.organisation == tx.organisation)
    known = sa.select(first.scalar_subquery().label("customer")).cte("known", recursive=True)
    following = first.where(column.customer > known.c.customer).scalar_subquery()
    known = known.union_all(sa.select(following).where(known.c.customer.is_not(None)))
    used = sa.exists().where(*_of(tx, period), column.customer == known.c.customer)
    return {row["customer"] for row in tx.all(sa.select(known.c.customer).where(used))}


def charges(tx: Transaction, period: Period, customer: str | None = None) -> list[tuple[str, str]]:
    """Every (customer, product) with an event in the period, in order; of one customer if it is given."""
    mine = () if customer is None else (usage_event.c.customer == customer,)
    query = (
        sa.select(usage_event.c.customer, usage_event.c.product)
        .where(*_of(tx, period), *mine)
        .distinct()
        .order_by(usage_event.c.customer, usage_event.c.product)
    )
    return [(row["customer"], row["product"]) for row in tx.all(query)]


def daily(tx: Transaction, customer: str, period: Period, timezone: str = "UTC") -> list[Day]:
    """Units per calendar day of `timezone` and product, days without use left out."""
    days = _days(period, timezone)
    bucket = sa.case(*[(usage_event.c.time < end, number) for number, (_, end) in enumerate(days)])
    events = (
        sa.select(bucket.label("day"), usage_event.c.product, usage_event.c.units)
        .where(*_of(tx, period), usage_event.c.customer == customer)
        .subquery()
    )
    query = (
        sa.select(events.c.day, events.c.product, *halves(events.c.units))
        .group_by(events.c.day, events.c.product)
        .order_by(events.c.day, events.c.product)
    )
    return [Day(days[row["day"]][0], row["product"], whole(row)) for row in tx.all(query)]


def late_spans(tx: Transaction, *, customers: Sequence[str], before: datetime, after_seq: int) -> list[Span]:
    """Per customer and product, from when to when lie the events older than `before` that came after `after_seq`."""
    column = usage_event.c
    late = sa.case(
        (column.time < before, column.time)
    )  # no condition: what came since then is read, not all of history
    first, last = sa.func.min(late), sa.func.max(late)
    query = (
        sa.select(column.customer, column.product, first.label("first"), last.label("last"))
        .where(column.organisation == tx.organisation, column.customer.in_(customers), column.seq > after_seq)
        .group_by(column.customer, column.product)
        .having(first.is_not(None))
        .order_by(column.customer, column.product)
    )
    return [Span(row["customer"], row["product"], row["first"], row["last"]) for row in tx.all(query)]


def _of(tx: Transaction, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        usage_event.c.organisation == tx.organisation,
        usage_event.c.time >= period.start,
        usage_event.c.time < period.end,
    )


def _days(period: Period, timezone: str) -> list[tuple[date, Any]]:
    zone = zone_of(timezone)
    days, day = [], period.start.astimezone(zone).date()
    while True:
        # the wall clock's next midnight, not 24 h later: a day may have 23 or 25 hours
        following = day + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=zone)
        days.append((day, min(end, period.end)))
        if end >= period.end:
            return days
        day = following
