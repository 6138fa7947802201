"""Running totals: "how much so far", reading only the events that came since the last question.

A total is a projection of the usage log: (seq, units) says that every event up to `seq` is in `units`. Sequence
numbers become visible in order, so a total never misses an event; two writers at once store the same truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from penstock.core.clock import Period
from penstock.core.errors import Broken
from penstock.metering import usage_log
from penstock.metering.quantities import quantities
from penstock.metering.tables import usage_event, usage_total
from penstock.storage.engine import Transaction
from penstock.storage.sql import halves, insert_new, whole

MOST_STORED = 2**63 - 1

Charge = tuple[str, Period]
"""A product in a period."""


def running(tx: Transaction, customer: str, charges: Sequence[Charge]) -> dict[tuple[str, str], int]:
    """Units so far per (product, period name) of the customer, for each charge. Needs a writing transaction.

    Raises Broken when they are more than can be stored: what got into the log before its bound, never real use.
    """
    mine = _mine(tx, customer, [(product, period.name) for product, period in charges])
    watermark = usage_log.watermark(tx)  # before the sum: what comes in between is left for the next time
    _begin(tx, customer, charges, mine, watermark)
    added = _added(tx, mine, watermark)
    units = {}
    for row in tx.all(sa.select(usage_total).where(mine)):
        key = row["product"], row["period"]
        units[key] = _bounded(row["units"] + added.get(key, 0), customer, key)
        if key in added:
            as_read = sa.and_(_mine(tx, customer, [key]), usage_total.c.seq == row["seq"])
            tx.execute(sa.update(usage_total).where(as_read).values(seq=watermark, units=units[key]))
    # the others have no event up to the watermark: they need not be searched again
    tx.execute(sa.update(usage_total).where(mine, usage_total.c.seq < watermark).values(seq=watermark))
    return units


def _begin(
    tx: Transaction, customer: str, charges: Sequence[Charge], mine: sa.ColumnElement[bool], watermark: int
) -> None:
    """Store the totals that are not there yet: of the period's own events, not from the log's beginning on."""
    rows = tx.all(sa.select(usage_total.c.product, usage_total.c.period).where(mine))
    kept = {(row["product"], row["period"]) for row in rows}
    missing = [(product, period) for product, period in charges if (product, period.name) not in kept]
    used = {
        (one.product, period.name): one.units
        for period in {period for _, period in missing}
        for one in quantities(tx, [customer], period, up_to_seq=watermark)
    }
    fresh = [
        {
            "customer": customer,
            "product": product,
            "period": period.name,
            "period_start": period.start,
            "period_end": period.end,
            "seq": watermark,
            "units": _bounded(used.get((product, period.name), 0), customer, (product, period.name)),
        }
        for product, period in missing
    ]
    insert_new(tx, usage_total, fresh)


def _bounded(units: int, customer: str, charge: tuple[str, str]) -> int:
    if units > MOST_STORED:
        raise Broken(
            f"{customer} used {units:,} units of {charge[0]} in {charge[1]}: more than can be counted",
            where="usage",
            hint=f"take off what was not used: penstock usage correct {customer} {charge[0]} -UNITS",
        )
    return units


def _mine(tx: Transaction, customer: str, keys: Sequence[tuple[str, str]]) -> sa.ColumnElement[bool]:
    return sa.and_(
        usage_total.c.organisation == tx.organisation,
        usage_total.c.customer == customer,
        sa.tuple_(usage_total.c.product, usage_total.c.period).in_(keys),
    )


def _added(tx: Transaction, mine: sa.ColumnElement[bool], watermark: int) -> dict[tuple[str, str], int]:
    """Units between each total and the watermark: one query, over the usage log's index by customer and seq."""
    total, event = usage_total.c, usage_event.c
    same = sa.and_(
        event.organisation == total.organisation,
        event.customer == total.customer,
        event.product == total.product,
        event.seq > total.seq,
        event.seq <= watermark,
        event.time >= total.period_start,
        event.time < total.period_end,
    )
    query = (
        sa.select(total.product, total.period, *halves(event.units))
        .join_from(usage_total, usage_event, same)
        .where(mine)
        .group_by(total.product, total.period)
    )
    return {(row["product"], row["period"]): whole(row) for row in tx.all(query)}
