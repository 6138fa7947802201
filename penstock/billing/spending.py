"""Limits in money: what a customer, or one of its keys, may come to in a month, before tax and without plan fees.

A key's use is valued at the place of the customer's month where it was admitted, as each answer tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from penstock.billing.accrual import GRACE_S, Account
from penstock.billing.limit_tables import key_spend, spend_limit
from penstock.billing.subscriptions import allowance
from penstock.billing.tables import usage_grant
from penstock.billing.terms import lock_customer
from penstock.billing.versions import price_for
from penstock.core.clock import Period, local_text, period_of
from penstock.core.errors import BadInput, QuotaExceeded
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.identity.keys import replacing
from penstock.serving.limits import key_limits
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new
from penstock.workspace.records import Company, Price


def set_spend_limit(tx: Transaction, customer: str, amount: Money | None) -> None:
    """Cap what the customer's use may come to in a month; None lifts the cap. Gateways follow within a second."""
    if amount is not None and amount.amount_minor < 0:
        raise BadInput("a limit in money is 0 or more", where="amount", hint="0 stops all use that costs something")
    customer = get_customer(tx, customer).id
    lock_customer(tx, customer)
    column = spend_limit.c
    tx.execute(sa.delete(spend_limit).where(column.organisation == tx.organisation, column.customer == customer))
    if amount is not None:
        row = {"organisation": tx.organisation, "customer": customer, "amount_minor": amount.amount_minor}
        tx.execute(sa.insert(spend_limit), row)
    counters.bump(tx, "terms")


def spend_limits(tx: Transaction) -> dict[str, int]:
    """The caps in minor units, by customer."""
    rows = tx.all(sa.select(spend_limit).where(spend_limit.c.organisation == tx.organisation))
    return {row["customer"]: row["amount_minor"] for row in rows}


def spend_limit_of(tx: Transaction, customer: str, currency: str) -> Money | None:
    """The customer's cap, or None."""
    column = spend_limit.c
    query = sa.select(column.amount_minor).where(column.organisation == tx.organisation, column.customer == customer)
    found = tx.scalar(query)
    return None if found is None else Money(int(found), currency)


def spent_by(account: Account, period: str, *, product: str = "", more: int = 0, held: bool = True) -> Decimal:
    """What the customer's use of the period comes to, exactly. held: with what gateways hold, as if it were used."""
    total = Decimal(0)
    for one in account.charges:
        if one.period == period:
            units = one.units + one.held * held + (more if one.product == product else 0)
            total += one.price.amount(max(0, units - one.allowance))
    return total


@dataclass(frozen=True)
class Place:
    """Where in the customer's month units are used: after `cumulative` others, of which `allowance` are free."""

    price: Price
    cumulative: int
    allowance: int

    def amount(self, units: int, after: int = 0) -> Decimal:
        """What `units` come to that follow the first `after` ones from here."""
        start = self.cumulative + after - self.allowance
        return self.price.amount(max(0, start + units)) - self.price.amount(max(0, start))


def within_spend_limit(
    tx: Transaction, account: Account, limit: Money, product: str, period: Period, units: int, most: int, timezone: str
) -> int:
    """The most units, up to `most`, within the customer's cap. Raises QuotaExceeded below `units`."""
    cap = limit.to_decimal()
    fitting = most_that(lambda more: spent_by(account, period.name, product=product, more=more) <= cap, most)
    if fitting < units:
        raise _over(tx, "this customer", limit, spent_by(account, period.name, held=False), period, timezone)
    return fitting


def within_key_limit(
    tx: Transaction, key: str, place: Place, period: Period, company: Company, *, units: int, most: int
) -> int:
    """The most units, up to `most`, within the key's cap in money. Raises QuotaExceeded below `units`."""
    own = key_limits(tx, [key]).get(key)
    if own is None or own.amount_minor is None:
        return most
    limit, timezone = Money(own.amount_minor, company.currency), company.timezone
    keys = replacing(tx, key)
    spent = _spent(tx, keys, period.name)
    left = limit.to_decimal() - spent - _reserved(tx, keys, timezone)
    fitting = most_that(lambda more: place.amount(more) <= left, most)
    if fitting < units:
        raise _over(tx, "this key", limit, spent, period, timezone)
    return fitting


def key_spent(tx: Transaction, key: str, period: str) -> Decimal:
    """What a key with a cap in money came to in the period so far, since it had one; with all that it replaced and that
    replaced it: a rotation gives no money back."""
    return _spent(tx, replacing(tx, key), period)


def _spent(tx: Transaction, keys: Collection[str], period: str) -> Decimal:
    column = key_spend.c
    mine = (column.organisation == tx.organisation, column.key.in_(keys), column.period == period)
    return sum((Decimal(row["amount"]) for row in tx.all(sa.select(column.amount).where(*mine))), Decimal(0))


def book_key_use(tx: Transaction, grant: sa.RowMapping, units: int, timezone: str) -> None:
    """Count what was used of a capped key's grant, in the transaction that books it. grant: its row after booking."""
    key, period = grant["key"], grant["period"]
    used = int(grant["used"])
    amount = _place(tx, grant, timezone).amount(units, after=used - units)
    insert_new(tx, key_spend, [{"key": key, "period": period, "amount": "0"}])
    row = tx.first(sa.select(key_spend.c.amount).where(*_one(tx, key, period)).with_for_update())
    total = (Decimal(0) if row is None else Decimal(row["amount"])) + amount
    tx.execute(sa.update(key_spend).where(*_one(tx, key, period)).values(amount=f"{total:f}"))


def most_that(fits: Callable[[int], bool], most: int) -> int:
    """The largest count up to `most` that fits; what fits at a count fits below it. 0 where nothing does."""
    if fits(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _reserved(tx: Transaction, keys: Collection[str], timezone: str) -> Decimal:
    """What the keys' open grants still hold, in money."""
    column = usage_grant.c
    query = sa.select(usage_grant).where(
        column.organisation == tx.organisation,
        column.key.in_(keys),
        column.state == "open",
        column.expires_at > tx.shared_now - timedelta(seconds=GRACE_S),
    )
    total = Decimal(0)
    for row in tx.all(query):
        unused = max(0, row["units"] - row["used"])
        total += _place(tx, row, timezone).amount(unused, after=row["used"])
    return total


def _place(tx: Transaction, grant: sa.RowMapping, timezone: str) -> Place:
    product, period = grant["product"], period_of(grant["period"], timezone)
    free = allowance(tx, grant["customer"], product, period)
    return Place(price_for(tx, product, period).price, grant["cumulative"], free)


def _over(tx: Transaction, whose: str, limit: Money, spent: Decimal, period: Period, timezone: str) -> QuotaExceeded:
    return QuotaExceeded(
        f"{whose} may spend {limit} a month before tax; {spent.normalize():f} {limit.currency} is used, "
        "and the rest does not cover the request",
        hint=f"the month ends at {local_text(period.end, timezone)}; who set the limit can raise it",
        retry_after_s=(period.end - tx.shared_now).total_seconds(),
    )


def _one(tx: Transaction, key: str, period: str) -> tuple[sa.ColumnElement[bool], ...]:
    column = key_spend.c
    return column.organisation == tx.organisation, column.key == key, column.period == period
