"""Who subscribed to which plan, and what a period therefore includes. At most one plan is open per customer.

A period belongs to the first subscription that ran in it: its fee and its included units are that plan's. So a
plan begun in mid-month counts at once, and a change of plan takes effect with the next period.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing.tables import subscription
from penstock.billing.terms import lock_customer
from penstock.billing.versions import PlanVersion, get_plan_version, newest_plan
from penstock.core.clock import Period
from penstock.core.errors import NotFound
from penstock.identity.customers import buying_customer, get_customer
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
    """Put the customer on the newest version of `plan`, ending the plan it is on. The same version again: no change."""
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
    """End the customer's plan now; the period it ends in is still charged. Raises NotFound when there is none."""
    customer = get_customer(tx, customer).id
    lock_customer(tx, customer)
    current = open_subscription(tx, customer)
    if current is None:
        raise NotFound(f"{customer} has no plan", hint="see `penstock subscription list`")
    _end(tx, current)
    return Subscription(current.id, customer, current.plan, current.started_at, tx.now)


def open_subscription(tx: Transaction, customer: str) -> Subscription | None:
    """The plan the customer is on now."""
    query = _subscriptions(tx).where(subscription.c.customer == customer, subscription.c.ended_at.is_(None))
    row = tx.first(query)
    return None if row is None else _read(tx, row)


def subscription_of(tx: Transaction, customer: str, period: Period) -> Subscription | None:
    """The subscription that the period belongs to: the first that ran in it."""
    query = _subscriptions(tx).where(subscription.c.customer == customer, *_ran_in(period))
    row = tx.first(query.order_by(subscription.c.started_at, subscription.c.id).limit(1))
    return None if row is None else _read(tx, row)


def subscribers(tx: Transaction, period: Period) -> set[str]:
    """Customers with a subscription that ran in the period."""
    return {row["customer"] for row in tx.all(_subscriptions(tx).where(*_ran_in(period)))}


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


def _end(tx: Transaction, current: Subscription) -> None:
    tx.execute(
        sa.update(subscription)
        .where(
            subscription.c.organisation == tx.organisation,
            subscription.c.id == current.id,
            subscription.c.ended_at.is_(None),
        )
        .values(ended_at=tx.now)
    )
    counters.bump(tx, "terms")


def _read(tx: Transaction, row: sa.RowMapping) -> Subscription:
    version = get_plan_version(tx, row["plan_version"])
    return Subscription(row["id"], row["customer"], version, row["started_at"], row["ended_at"])
