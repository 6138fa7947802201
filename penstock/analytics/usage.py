"""How much was used in a month: per customer and product, and per day. Two queries, however many customers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from penstock.analytics.records import Day
from penstock.core.clock import Period, zone_of
from penstock.metering.tables import usage_event
from penstock.storage.engine import Transaction
from penstock.storage.sql import halves, whole

Charge = tuple[str, str]
"""(customer, product)"""


def units_by_charge(tx: Transaction, period: Period) -> dict[Charge, int]:
    """Units used in the period, as metering counts them."""
    column = usage_event.c
    query = (
        sa.select(column.customer, column.product, *halves(column.units))
        .where(*_in(tx, period))
        .group_by(column.customer, column.product)
    )
    return {(row["customer"], row["product"]): whole(row) for row in tx.all(query)}


def units_by_day(tx: Transaction, period: Period, timezone: str) -> tuple[Day, ...]:
    """Every calendar day of the period in `timezone`, those without use too."""
    days = _days(period, timezone)
    bucket = sa.case(*[(usage_event.c.time < end, number) for number, (_, end) in enumerate(days)])
    events = sa.select(bucket.label("day"), usage_event.c.units).where(*_in(tx, period)).subquery()
    query = sa.select(events.c.day, *halves(events.c.units)).group_by(events.c.day)
    found = {row["day"]: whole(row) for row in tx.all(query)}
    return tuple(Day(day, found.get(number, 0)) for number, (day, _) in enumerate(days))


def _in(tx: Transaction, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    column = usage_event.c
    return column.organisation == tx.organisation, column.time >= period.start, column.time < period.end


def _days(period: Period, timezone: str) -> list[tuple[date, datetime]]:
    """Each day with its end: the wall clock's next midnight, since a day may have 23 or 25 hours."""
    zone = zone_of(timezone)
    days, day = [], period.start.astimezone(zone).date()
    while True:
        following = day + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC)
        days.append((day, end))
        if end >= period.end:
            return days
        day = following
