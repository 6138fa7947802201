"""Which months wait to be closed. A plan's fee is asked for by the closing of its own month only: none may be skipped.

Use that arrives late is asked for by the next closing; so a month that was closed for anyone waits for plans alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing.register import invoices_of
from penstock.billing.subscriptions import subscribers, subscription_of
from penstock.billing.tables import invoice, rating_run, standing, subscription
from penstock.billing.verification import quarantined
from penstock.billing.versions import the_book
from penstock.core.clock import Period, local_text, period_at
from penstock.core.errors import Conflict
from penstock.metering.quantities import first_use, quantities, users
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Unclosed:
    """A month that has ended, and how many customers had a plan or use in it that no invoice asks for."""

    period: Period
    customers: int


def unclosed_months(tx: Transaction, before: Period, timezone: str) -> list[Unclosed]:
    """The months before `before` that wait to be closed, oldest first. Customers that are put aside do not count."""
    aside = {one.customer for one in quarantined(tx)}
    found, month = [], _first_month(tx, timezone)
    while month is not None and month.start < before.start:
        waiting = _waiting(tx, month) - aside
        if waiting:
            found.append(Unclosed(month, len(waiting)))
        month = period_at(month.end, timezone)
    return found


def refuse_unfinished(tx: Transaction, period: Period) -> None:
    """Raise Conflict while the period has not ended."""
    if tx.now < period.end:
        raise Conflict(
            f"{period.name} has not ended: it runs until {local_text(period.end, the_book(tx).timezone)}",
            where="period",
            hint="close it after that; until then `penstock bill preview` shows the invoices so far",
        )


def refuse_skipped(tx: Transaction, period: Period, timezone: str) -> None:
    """Raise Conflict while an earlier month waits to be closed, and while the period has not ended."""
    refuse_unfinished(tx, period)
    earlier = unclosed_months(tx, period, timezone)
    if earlier:
        named = ", ".join(f"{one.period.name} ({one.customers:,} customers)" for one in earlier)
        raise Conflict(
            f"closing {period.name} now would lose the plan fees of months that were never closed: {named}",
            where="period",
            hint=f"close these first, oldest first: penstock bill close --period {earlier[0].period.name}; "
            f"or all in order: penstock bill close --period {period.name} --catch-up",
        )


def months_to_bill(tx: Transaction, customer: str, timezone: str) -> list[Period]:
    """The months that have ended in which the customer had a plan or use that no invoice asks for, oldest first."""
    found, month = [], _first_month(tx, timezone)
    while month is not None and month.end <= tx.now:
        used = quantities(tx, [customer], month) and customer not in _rated(tx, month, customer)
        if (used or subscription_of(tx, customer, month)) and not invoices_of(tx, [customer], month):
            found.append(month)
        month = period_at(month.end, timezone)
    return found


def _first_month(tx: Transaction, timezone: str) -> Period | None:
    began = [moment for moment in (first_use(tx), _first_plan(tx)) if moment is not None]
    return period_at(min(began), timezone) if began else None


def _waiting(tx: Transaction, month: Period) -> set[str]:
    column = invoice.c
    mine = sa.select(column.customer).where(column.organisation == tx.organisation, column.period == month.name)
    mine = mine.where(standing(column.number))
    invoiced = {row["customer"] for row in tx.all(mine)}
    planned = subscribers(tx, month) - invoiced
    return planned if invoiced else planned | (users(tx, month) - _rated(tx, month))


def _rated(tx: Transaction, month: Period, customer: str | None = None) -> set[str]:
    """Customers whose use of the month was asked for by the closing of a later one."""
    column = rating_run.c
    query = sa.select(column.customer).where(column.organisation == tx.organisation, column.period == month.name)
    if customer is not None:
        query = query.where(column.customer == customer)
    return {row["customer"] for row in tx.all(query.distinct())}


def _first_plan(tx: Transaction) -> datetime | None:
    column = subscription.c
    found: datetime | None = tx.scalar(
        sa.select(sa.func.min(column.started_at)).where(column.organisation == tx.organisation)
    )
    return found
