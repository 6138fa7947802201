"""What starting, changing or ending a plan will do, said before it is done: what holds from when, and what is due.

It changes nothing. The rules are those of `subscriptions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.billing.subscriptions import Subscription, never_ran, open_subscription, subscriptions_in
from penstock.billing.versions import PlanVersion, newest_plan, the_book
from penstock.core.clock import Period, period_at
from penstock.core.errors import NotFound
from penstock.core.money import Money
from penstock.identity.customers import buying_customer, get_customer
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Fee:
    """A plan's fee for a month ('2026-11'), net of tax: due when that month is closed."""

    period: str
    plan: str
    amount: Money


@dataclass(frozen=True)
class PlanChange:
    """From `before` to `after` (None: no plan), as seen at one moment.

    holds_from: when the fee and the included units of `after` begin to hold. cancelled: `before` costs nothing, because
    it began today and nothing was used since. due: fees of this month and, when `after` begins later, of its first.
    """

    customer: str
    before: PlanVersion | None
    after: PlanVersion | None
    holds_from: datetime
    cancelled: bool
    due: tuple[Fee, ...]

    @property
    def changes(self) -> bool:
        """False when the customer is on that very version already."""
        return (self.before and self.before.id) != (self.after and self.after.id)


def preview_start(tx: Transaction, customer: str, plan: str) -> PlanChange:
    """What `subscribe` will do. Raises as it does."""
    after = newest_plan(tx, plan)
    return _preview(tx, buying_customer(tx, customer).id, after)


def preview_end(tx: Transaction, customer: str) -> PlanChange:
    """What `unsubscribe` will do. Raises NotFound when the customer has no plan."""
    known = get_customer(tx, customer)
    if open_subscription(tx, known.id) is None:
        raise NotFound(f"{known.name} has no plan", where="plan", hint="see `penstock subscription list`")
    return _preview(tx, known.id, None)


def _preview(tx: Transaction, customer: str, after: PlanVersion | None) -> PlanChange:
    timezone = the_book(tx).timezone
    this = period_at(tx.now, timezone)
    current = open_subscription(tx, customer)
    before = current.plan if current else None
    stays = current is not None and after is not None and current.plan.id == after.id
    cancelled = current is not None and not stays and never_ran(tx, current)
    paid = _plan_of(tx, customer, this, but=current if cancelled else None)
    following = period_at(this.end, timezone)
    if paid is None:  # nothing ran in this month: the new plan takes all of it
        due = [] if after is None else [_fee(this, after)]
        holds_from = tx.now
    else:
        due = [_fee(this, paid), *([_fee(following, after)] if after is not None and after.id != paid.id else [])]
        holds_from = current.started_at if stays and current else following.start
    return PlanChange(customer, before, after, holds_from, cancelled, tuple(due))


def _plan_of(tx: Transaction, customer: str, period: Period, but: Subscription | None) -> PlanVersion | None:
    ran = [one for one in subscriptions_in(tx, customer, period) if but is None or one.id != but.id]
    return ran[0].plan if ran else None


def _fee(period: Period, plan: PlanVersion) -> Fee:
    return Fee(period.name, plan.plan, plan.monthly)
