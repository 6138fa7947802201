"""Who subscribed to which plan, and what a period therefore includes. At most one plan is open per customer.

A period belongs to the first subscription that ran in it: its fee and its included units are that plan's. So a
plan begun in mid-month counts at once, and a change of plan takes effect with the next period. A plan that ends on the
day it began, before the customer used anything, never ran: it costs nothing. `plan_changes` says all this beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing.tables import subscription
from penstock.billing.terms import lock_customer
from penstock.billing.versions import PlanVersion, get_plan_version, get_plan_versions, newest_plan, the_book
from penstock.core.clock import Period, zone_of
from penstock.core.errors import NotFound
from penstock.identity.customers import buying_customer, get_customer
from penstock.metering import usage_log
from penstock.storage import counters
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Subscription:
    """A customer on a plan version from `started_at` until `ended_at` (None: still)."""

    id: str
    customer: str
    plan: PlanVersion
    started_at: datetime
    ended_at: datetime | None


def subscribe(tx: Transaction, customer: str, plan: str) -> Subscription:
    """Put the customer on the newest version of `plan`, ending the plan it is on. The same version again: no change.

    Raises Conflict for an archived customer.
    """
    version = newest_plan(tx, plan)
    customer = buying_customer(tx, customer).id
    lock_customer(tx, customer)
    current = open_subscription(tx, customer)
    if current is not None:
        if current.plan.id == version.id:
            return current
        _end(tx, current)
    new = Subscription(tx.new_id("sub"), customer, version, tx.now, None)
    row = {
        "organisation": tx.organisation,
        "id": new.id,
        "customer": customer,
        "plan_version": version.id,
        "started_at": new.started_at,
        "ended_at": None,
    }
    tx.execute(sa.insert(subscription), row)
    counters.bump(tx, "terms")
    return new


def unsubscribe(tx: Transaction, customer: str) -> Subscription:
    """End the customer's plan now; the period it ends in is still charged, unless it `never_ran`.

    Raises NotFound when there is none.
    """
    known = get_customer(tx, customer)
    lock_customer(tx, known.id)
    current = open_subscription(tx, known.id)
    if current is None:
        raise NotFound(f"{known.name} has no plan", where="plan", hint="see `penstock subscription list`")
    return Subscription(current.id, known.id, current.plan, current.started_at, _end(tx, current))


def never_ran(tx: Transaction, current: Subscription) -> bool:
    """Whether ending it now costs nothing: it began today, in the books' time zone, and nothing was used since."""
    zone = zone_of(the_book(tx).timezone)
    if current.started_at.astimezone(zone).date() != tx.now.astimezone(zone).date():
        return False
    return not usage_log.events(tx, customer=current.customer, start=current.started_at, limit=1)


def open_subscription(tx: Transaction, customer: str) -> Subscription | None:
    """The plan the customer is on now."""
    query = _subscriptions(tx).where(subscription.c.customer == customer, subscription.c.ended_at.is_(None))
    row = tx.first(query)
    return None if row is None else _read(tx, row)


def subscription_of(tx: Transaction, customer: str, period: Period) -> Subscription | None:
    """The subscription that the period belongs to: the first that ran in it."""
    found = subscriptions_in(tx, customer, period, limit=1)
    return found[0] if found else None


def subscriptions_in(tx: Transaction, customer: str, period: Period, *, limit: int | None = None) -> list[Subscription]:
    """The customer's subscriptions that ran in the period, oldest first."""
    query = _subscriptions(tx).where(subscription.c.customer == customer, *_ran_in(period))
    rows = tx.all(query.order_by(subscription.c.started_at, subscription.c.id).limit(limit))
    return [_read(tx, row) for row in rows]


def subscriptions_of(tx: Transaction, customers: Sequence[str], period: Period) -> dict[str, Subscription]:
    """By customer, the subscription that the period belongs to: the first that ran in it. Two queries."""
    query = _subscriptions(tx).where(subscription.c.customer.in_(customers), *_ran_in(period))
    rows = tx.all(query.order_by(subscription.c.started_at.desc(), subscription.c.id.desc()))
    first = {row["customer"]: row for row in rows}  # the first one last: it stays
    plans = get_plan_versions(tx, {row["plan_version"] for row in first.values()})
    return {customer: _of_plan(row, plans[row["plan_version"]]) for customer, row in first.items()}


def subscribers(tx: Transaction, period: Period) -> set[str]:
    """Customers with a subscription that ran in the period."""
    column = subscription.c
    query = sa.select(column.customer).where(column.organisation == tx.organisation, *_ran_in(period))
    return {row["customer"] for row in tx.all(query)}


def list_subscriptions(tx: Transaction, customer: str | None = None) -> list[Subscription]:
    """Every subscription, oldest first, of one customer if it is given."""
    query = _subscriptions(tx)
    if customer is not None:
        query = query.where(subscription.c.customer == customer)
    return [_read(tx, row) for row in tx.all(query.order_by(subscription.c.started_at, subscription.c.id))]


def allowance(tx: Transaction, customer: str, product: str, period: Period) -> int:
    """Units of the product that the period includes without charge; 0 without a plan."""
    current = subscription_of(tx, customer, period)
    return 0 if current is None else current.plan.includes.get(product, 0)


def _subscriptions(tx: Transaction) -> sa.Select[tuple[object, ...]]:
    return sa.select(subscription).where(subscription.c.organisation == tx.organisation)


def _ran_in(period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    ended = subscription.c.ended_at
    ran = ended.is_(None) | ((ended > period.start) & (ended > subscription.c.started_at))
    return (subscription.c.started_at < period.end, ran)


def _end(tx: Transaction, current: Subscription) -> datetime:
    ended_at = current.started_at if never_ran(tx, current) else tx.now  # `_ran_in` leaves out what never ran
    tx.execute(
        sa.update(subscription)
        .where(
            subscription.c.organisation == tx.organisation,
            subscription.c.id == current.id,
            subscription.c.ended_at.is_(None),
        )
        .values(ended_at=ended_at)
    )
    counters.bump(tx, "terms")
    return ended_at


def _read(tx: Transaction, row: sa.RowMapping) -> Subscription:
    return _of_plan(row, get_plan_version(tx, row["plan_version"]))


def _of_plan(row: sa.RowMapping, version: PlanVersion) -> Subscription:
    return Subscription(row["id"], row["customer"], version, row["started_at"], row["ended_at"])
