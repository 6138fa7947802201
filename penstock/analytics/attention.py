"""What waits for a person: each need names what it is about and how much, and nothing else. The console words it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa

from penstock.analytics.records import Overview, ProductFigures
from penstock.billing.months import unclosed_months
from penstock.billing.subscriptions import subscribers
from penstock.billing.tables import invoice, ledger_operation, posting, standing
from penstock.billing.verification import quarantined
from penstock.channels.tables import attribution_review
from penstock.core.clock import Period, period_at
from penstock.core.money import Money
from penstock.metering.quantities import users
from penstock.storage.engine import Transaction
from penstock.workspace.records import Workspace

Kind = Literal[
    "untrained", "refused", "releasable", "unpriced", "feedback", "overdue", "unclosed", "quarantined", "referral"
]


@dataclass(frozen=True)
class Need:
    """One thing to do. subject: a product, a customer (id; its name in `name`) or a month; count and amount: how much
    there is of it."""

    kind: Kind
    subject: str
    count: int = 0
    amount: Money | None = None
    name: str = ""


def needs(tx: Transaction, workspace: Workspace, now: Overview) -> tuple[Need, ...]:
    """What waits, money first. now: the overview of any month; of it only what stands now is read."""
    return (
        *_overdue(tx, now.currency),
        *_unclosed(tx, workspace.company.timezone),
        *_quarantined(tx),
        *_held_referrals(tx),
        *(need for product in now.products for need in _of_product(product)),
    )


def _of_product(product: ProductFigures) -> Iterator[Need]:
    if not product.task:
        return
    judged = product.judgement
    if product.release is None and judged is None:
        yield Need("untrained", product.name)
    elif product.release is None and judged is not None:
        yield Need("releasable" if judged.passed else "refused", product.name, judged.number)
    if product.price is None:
        yield Need("unpriced", product.name)
    if product.open_feedback:
        yield Need("feedback", product.name, product.open_feedback)


def _overdue(tx: Transaction, currency: str) -> Iterator[Need]:
    booked = posting.c
    same_operation = sa.and_(
        booked.organisation == ledger_operation.c.organisation, booked.operation == ledger_operation.c.operation
    )
    same_invoice = sa.and_(
        invoice.c.organisation == ledger_operation.c.organisation, invoice.c.number == ledger_operation.c.reference
    )
    late = (
        sa.select(invoice.c.number, sa.func.sum(booked.amount_minor).label("amount"))
        .select_from(posting.join(ledger_operation, same_operation).join(invoice, same_invoice))
        .where(booked.organisation == tx.organisation, booked.account == "receivable", invoice.c.due_at < tx.now)
        .group_by(invoice.c.number)
        .having(sa.func.sum(booked.amount_minor) > 0)
        .subquery()
    )
    found = tx.all(sa.select(sa.func.count(late.c.number).label("count"), sa.func.sum(late.c.amount).label("amount")))[
        0
    ]
    if found["count"]:
        yield Need("overdue", "", int(found["count"]), Money(int(found["amount"]), currency))


def _unclosed(tx: Transaction, timezone: str) -> Iterator[Need]:
    """Months that were never closed; of last month, how many of its users and subscribers have no invoice for it."""
    this = period_at(tx.now, timezone)
    last: Period = period_at(this.start - timedelta(days=1), timezone)
    for one in unclosed_months(tx, last, timezone):
        yield Need("unclosed", one.period.name, one.customers)
    query = sa.select(invoice.c.customer).where(
        invoice.c.organisation == tx.organisation, invoice.c.period == last.name, standing(invoice.c.number)
    )
    invoiced = {row["customer"] for row in tx.all(query)}
    aside = {one.customer for one in quarantined(tx)}
    waiting = (users(tx, last) | subscribers(tx, last)) - invoiced - aside
    if waiting:
        yield Need("unclosed", last.name, len(waiting))


def _held_referrals(tx: Transaction) -> Iterator[Need]:
    """Per partner, how many of its customers are held for review."""
    column = attribution_review.c
    query = (
        sa.select(column.partner, sa.func.count().label("count"))
        .where(column.organisation == tx.organisation, column.state == "held")
        .group_by(column.partner)
    )
    for row in tx.all(query.order_by(column.partner)):
        yield Need("referral", row["partner"], int(row["count"]))


def _quarantined(tx: Transaction) -> Iterator[Need]:
    for one in quarantined(tx):
        yield Need("quarantined", one.customer, name=one.name)
