"""How near a customer is to its monthly limits, and the warnings it was given at 50, 80 and 100 %."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from penstock.billing.accrual import account_of, held
from penstock.billing.limit_tables import limit_warning
from penstock.billing.limits import list_limits
from penstock.billing.spending import key_spent, spend_limit_of, spend_limits, spent_by
from penstock.billing.tables import usage_limit
from penstock.core.clock import Period, period_at
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.identity.keys import list_keys
from penstock.metering.totals import running
from penstock.serving.limits import key_limits
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new
from penstock.workspace.records import Company

WARN_AT = (50, 80, 100)


@dataclass(frozen=True)
class LimitState:
    """One limit of a month. kind: "money" of the customer, "key" (money, of one key) or "product" (units).

    name: the key's id or the product. limit and used: exact, in major units of money or in units.
    """

    kind: str
    name: str
    limit: Decimal
    used: Decimal

    @property
    def percent(self) -> int:
        """Of the limit, rounded down; a limit of 0 is used up."""
        return 100 if self.limit == 0 else int(self.used * 100 / self.limit)

    @property
    def subject(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True)
class Warned:
    """A warning: that `percent` of a limit were used, and when that was seen. mailed: the customer was told."""

    subject: str
    period: str
    percent: int
    limit: str
    at: datetime
    mailed: bool


def limit_states(tx: Transaction, customer: str, company: Company) -> list[LimitState]:
    """Every limit of the customer and of its valid keys this month. Needs a writing transaction."""
    period = period_at(tx.shared_now, company.timezone)
    return [*_of_money(tx, customer, company, period), *_of_products(tx, customer, period)]


def record_warnings(tx: Transaction, customer: str, company: Company, states: Sequence[LimitState]) -> list[LimitState]:
    """Record each step of WARN_AT that a limit has reached; answers the limits that reached one never recorded."""
    period = period_at(tx.shared_now, company.timezone).name
    reached = []
    for state in states:
        steps = [step for step in WARN_AT if state.percent >= step]
        rows = [_row(customer, state, period, step, tx.shared_now) for step in steps]
        known = {
            one.percent
            for one in warnings_of(tx, customer, period)
            if (one.subject, one.limit) == (state.subject, f"{state.limit:f}")
        }
        insert_new(tx, limit_warning, rows)
        if steps and steps[-1] not in known:
            reached.append(state)
    return reached


def mark_mailed(tx: Transaction, customer: str, period: str, subjects: Sequence[str]) -> None:
    """The customer was told of what is recorded of these limits."""
    column = limit_warning.c
    those = (column.organisation == tx.organisation, column.customer == customer, column.period == period)
    tx.execute(sa.update(limit_warning).where(*those, column.subject.in_(subjects)).values(mailed=True))


def warnings_of(tx: Transaction, customer: str, period: str) -> list[Warned]:
    """The warnings of a month, by limit, the lowest first."""
    column = limit_warning.c
    query = sa.select(limit_warning).where(
        column.organisation == tx.organisation, column.customer == customer, column.period == period
    )
    rows = tx.all(query.order_by(column.subject, column.limit_text, column.percent))
    return [
        Warned(row["subject"], row["period"], row["percent"], row["limit_text"], row["at"], row["mailed"])
        for row in rows
    ]


def limited_customers(tx: Transaction) -> list[str]:
    """Every customer that has a limit, or a key that has one in money."""
    column = usage_limit.c
    rows = tx.all(sa.select(column.customer).where(column.organisation == tx.organisation).distinct())
    capped = {key for key, limit in key_limits(tx).items() if limit.amount_minor is not None}
    owners = {one.customer for one in list_keys(tx) if one.id in capped} if capped else set()
    return sorted({row["customer"] for row in rows} | set(spend_limits(tx)) | owners)


def _of_money(tx: Transaction, customer: str, company: Company, period: Period) -> list[LimitState]:
    found = []
    limit = spend_limit_of(tx, customer, company.currency)
    if limit is not None:
        account = account_of(tx, customer, company, held(tx, customer, tx.shared_now))
        found.append(LimitState("money", "", limit.to_decimal(), spent_by(account, period.name, held=False)))
    keys = list_keys(tx, customer)
    limits = key_limits(tx, [key.id for key in keys])
    for key in keys:
        own = limits.get(key.id)
        if key.revoked_at is None and own is not None and own.amount_minor is not None:
            cap = Money(own.amount_minor, company.currency).to_decimal()
            found.append(LimitState("key", key.id, cap, key_spent(tx, key.id, period.name)))
    return found


def _of_products(tx: Transaction, customer: str, period: Period) -> list[LimitState]:
    caps = list_limits(tx, get_customer(tx, customer).id)
    used = running(tx, customer, [(product, period) for product in caps]) if caps else {}
    return [
        LimitState("product", product, Decimal(units), Decimal(used[product, period.name]))
        for product, units in caps.items()
    ]


def _row(customer: str, state: LimitState, period: str, percent: int, at: datetime) -> dict[str, object]:
    named = {"customer": customer, "subject": state.subject, "period": period, "percent": percent}
    return {**named, "limit_text": f"{state.limit:f}", "at": at, "mailed": False}
