"""Corrections: signed usage events with a reason. They never bring a period's quantity below zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.core.clock import Period, period_at
from penstock.core.errors import BadInput, Conflict
from penstock.core.hashing import digest_of
from penstock.identity.customers import get_customer
from penstock.metering import usage_log
from penstock.metering.quantities import MOST_QUANTITY, quantity
from penstock.metering.tables import usage_correction
from penstock.metering.usage_log import UsageEvent
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new


@dataclass(frozen=True)
class Correction:
    """What a person changed by hand: `units` (signed) of a product at `time`, and why."""

    operation: str
    customer: str
    product: str
    units: int
    time: datetime
    reason: str
    created_at: datetime


def correct(
    tx: Transaction,
    *,
    customer: str,
    product: str,
    units: int,
    time: datetime,
    reason: str,
    operation: str,
    timezone: str,
) -> UsageEvent:
    """Add `units` (negative: take away) to what was used at `time`. The same operation again changes nothing, at
    whatever time of the same month it is sent.

    timezone: the company's, in which months begin. Raises NotFound for an unknown customer and Conflict when the
    operation was used for something else or the month would fall below zero: the transaction then rolls back.
    """
    if units == 0 or not reason.strip():
        raise BadInput("a correction needs units other than 0 and a reason", where=f"correction {operation}")
    if not -(2**63) < units <= usage_log.MOST_UNITS:
        raise BadInput(
            f"{units:,} units are more than one correction can change",
            where=f"correction {operation}",
            hint=f"at most {usage_log.MOST_UNITS:,} units are added at once",
        )
    if time > tx.now:
        raise BadInput(f"{time:%Y-%m-%d %H:%M} lies in the future", where=f"correction {operation}")
    customer = get_customer(tx, customer).id
    period = period_at(time, timezone)
    content = {"customer": customer, "product": product, "units": units, "reason": reason}
    event = UsageEvent(
        source=usage_log.CORRECTION,
        id=operation,
        customer=customer,
        product=product,
        release=None,
        key=None,
        time=time,
        units=units,
        payload_hash=digest_of({**content, "period": period.name}),
    )
    # appended first: it holds the log's lock, so that no other correction can pass the check beside this one
    [outcome] = usage_log.append(tx, [event])
    if outcome.kind == "conflict":
        raise Conflict(
            f"operation {operation!r} already corrected something else", hint="use a new operation id for a new change"
        )
    if outcome.kind == "new":
        _refuse_out_of_bounds(tx, event, period)
        row = {"operation": operation, **content, "time": time, "created_at": tx.now}
        insert_new(tx, usage_correction, [row])
    return outcome.event


def list_corrections(tx: Transaction, customer: str | None = None) -> list[Correction]:
    """All corrections, oldest first, of one customer if it is given."""
    column = usage_correction.c
    query = sa.select(usage_correction).where(column.organisation == tx.organisation)
    if customer is not None:
        query = query.where(column.customer == customer)
    rows = tx.all(query.order_by(column.created_at, column.operation))
    return [Correction(**{name: row[name] for name in Correction.__dataclass_fields__}) for row in rows]


def _refuse_out_of_bounds(tx: Transaction, event: UsageEvent, period: Period) -> None:
    left = quantity(tx, customer=event.customer, product=event.product, period=period).units
    if event.units > 0 and left > MOST_QUANTITY:
        raise Conflict(
            f"adding {event.units:,} units of {event.product} makes {left:,} in {period.name}",
            where=f"correction {event.id}",
            hint=f"a month is billed for at most {MOST_QUANTITY:,} units",
        )
    if left < 0:
        raise Conflict(
            f"taking {-event.units:,} units from {event.product} leaves {left:,} in {period.name}",
            where=f"correction {event.id}",
            hint=f"at most {left - event.units:,} units can be taken away",
        )
