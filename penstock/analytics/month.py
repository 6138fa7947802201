"""A month's money: what its invoices asked and got, and what no invoice asked for yet. A fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from penstock.analytics.records import MonthMoney
from penstock.analytics.usage import Charge
from penstock.billing.tables import (
    customer_terms,
    invoice,
    invoice_line,
    ledger_operation,
    payment,
    plan_version,
    posting,
    refund,
    standing,
    subscription,
)
from penstock.channels.tables import commission
from penstock.core.clock import Period
from penstock.core.money import Money, money
from penstock.storage.engine import Transaction
from penstock.workspace.records import Price


@dataclass(frozen=True)
class Plan:
    """The plan that a customer's month belongs to."""

    name: str
    title: str
    monthly_minor: int
    includes: Mapping[str, int]


@dataclass(frozen=True)
class Asked:
    """What invoices asked for a customer's use of a product in a month, whichever month's invoice it stands on."""

    units: int
    amount_minor: int


def plans_of(tx: Transaction, period: Period) -> dict[str, Plan]:
    """The plan of each customer in the period: of the first subscription that ran in it, as billing has it."""
    ended = subscription.c.ended_at
    version = sa.and_(
        plan_version.c.organisation == subscription.c.organisation, plan_version.c.id == subscription.c.plan_version
    )
    query = (
        sa.select(subscription.c.customer, plan_version)
        .join_from(subscription, plan_version, version)
        .where(
            subscription.c.organisation == tx.organisation,
            subscription.c.started_at < period.end,
            ended.is_(None) | ((ended > period.start) & (ended > subscription.c.started_at)),
        )
        .order_by(subscription.c.started_at, subscription.c.id)
    )
    found: dict[str, Plan] = {}
    for row in tx.all(query):
        plan = Plan(row["plan"], row["title"], row["monthly_minor"], dict(row["includes"]))
        found.setdefault(row["customer"], plan)
    return found


def asked_by_charge(tx: Transaction, period: Period) -> dict[Charge, Asked]:
    """Per (customer, product), what lines have asked for use in the period."""
    line = invoice_line.c
    query = (
        sa.select(
            invoice.c.customer,
            line.product,
            sa.func.sum(line.quantity).label("units"),
            sa.func.sum(line.amount_minor).label("amount"),
        )
        .join_from(invoice_line, invoice, _same_invoice())
        .where(line.organisation == tx.organisation, line.period == period.name, line.product.is_not(None))
        .where(standing(line.invoice))
        .group_by(invoice.c.customer, line.product)
    )
    return {(r["customer"], r["product"]): Asked(int(r["units"]), int(r["amount"])) for r in tx.all(query)}


def billed_plans(tx: Transaction, period: Period) -> set[str]:
    """Customers whose plan fee for the period stands on an invoice."""
    line = invoice_line.c
    query = (
        sa.select(invoice.c.customer)
        .join_from(invoice_line, invoice, _same_invoice())
        .where(line.organisation == tx.organisation, line.period == period.name, line.kind == "plan")
        .where(standing(line.invoice))
    )
    return {row["customer"] for row in tx.all(query)}


def revenue_by_product(tx: Transaction, period: Period) -> dict[str, int]:
    """Minor units, net, on the lines of the period's invoices, by product; plan fees under ""."""
    line = invoice_line.c
    query = (
        sa.select(line.product, sa.func.sum(line.amount_minor).label("amount"))
        .join_from(invoice_line, invoice, _same_invoice())
        .where(line.organisation == tx.organisation, invoice.c.period == period.name, standing(line.invoice))
        .group_by(line.product)
    )
    return {row["product"] or "": int(row["amount"]) for row in tx.all(query)}


def accrued_minor(units: int, price: Price, allowance: int, currency: str) -> int:
    """What `units` of a month come to: beyond the allowance, graduated, rounded once as on a line."""
    return money(price.amount(max(0, units - allowance)), currency).amount_minor


def unpaid_by_customer(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Per customer, how many invoices are open now and what is unpaid on them, of all months."""
    booked = posting.c
    query = (
        sa.select(booked.party, ledger_operation.c.reference, sa.func.sum(booked.amount_minor).label("amount"))
        .join_from(posting, ledger_operation, _same_operation())
        .where(booked.organisation == tx.organisation, booked.account == "receivable")
        .group_by(booked.party, ledger_operation.c.reference)
        .having(sa.func.sum(booked.amount_minor) != 0)
    )
    found: dict[str, tuple[int, int]] = {}
    for row in tx.all(query):
        count, amount = found.get(row["party"], (0, 0))
        found[row["party"]] = count + 1, amount + int(row["amount"])
    return found


def credit_by_customer(tx: Transaction) -> dict[str, int]:
    """Prepaid minor units left, by customer."""
    query = (
        sa.select(posting.c.party, sa.func.sum(posting.c.amount_minor).label("amount"))
        .where(posting.c.organisation == tx.organisation, posting.c.account == "customer_credit")
        .group_by(posting.c.party)
    )
    return {row["party"]: -int(row["amount"]) for row in tx.all(query)}


def terms_by_customer(tx: Transaction) -> dict[str, str]:
    """'prepaid' or 'invoice' of those who have agreed on something."""
    query = sa.select(customer_terms).where(customer_terms.c.organisation == tx.organisation)
    return {row["customer"]: row["terms"] for row in tx.all(query)}


def month_money(tx: Transaction, period: Period, currency: str, unbilled_minor: int) -> MonthMoney:
    """What the period's invoices asked and got."""
    column = invoice.c
    query = sa.select(
        sa.func.count().label("count"),
        sa.func.coalesce(sa.func.sum(column.net_minor), 0).label("net"),
        sa.func.coalesce(sa.func.sum(column.total_minor), 0).label("total"),
    ).where(column.organisation == tx.organisation, column.period == period.name, standing(column.number))
    asked = tx.all(query)[0]
    return MonthMoney(
        invoices=int(asked["count"]),
        revenue=Money(int(asked["net"]), currency),
        invoiced_total=Money(int(asked["total"]), currency),
        paid_total=Money(_sum_on(tx, payment, period), currency),
        refunded_total=Money(_sum_on(tx, refund, period), currency),
        open_total=Money(_receivable(tx, period), currency),
        commissions=Money(_sum_on(tx, commission, period), currency),
        unbilled=Money(unbilled_minor, currency),
    )


def _sum_on(tx: Transaction, table: sa.Table, period: Period) -> int:
    """The sum of `amount_minor` of a table's rows that belong to invoices of the period."""
    same = sa.and_(table.c.organisation == invoice.c.organisation, table.c.invoice == invoice.c.number)
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(table.c.amount_minor), 0))
        .join_from(table, invoice, same)
        .where(table.c.organisation == tx.organisation, invoice.c.period == period.name)
    )
    return int(tx.scalar(query))


def _receivable(tx: Transaction, period: Period) -> int:
    numbers = sa.select(invoice.c.number).where(
        invoice.c.organisation == tx.organisation, invoice.c.period == period.name
    )
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(posting.c.amount_minor), 0))
        .join_from(posting, ledger_operation, _same_operation())
        .where(
            posting.c.organisation == tx.organisation,
            posting.c.account == "receivable",
            ledger_operation.c.reference.in_(numbers),
        )
    )
    return int(tx.scalar(query))


def _same_invoice() -> sa.ColumnElement[bool]:
    return sa.and_(invoice_line.c.organisation == invoice.c.organisation, invoice_line.c.invoice == invoice.c.number)


def _same_operation() -> sa.ColumnElement[bool]:
    return sa.and_(
        posting.c.organisation == ledger_operation.c.organisation, posting.c.operation == ledger_operation.c.operation
    )
