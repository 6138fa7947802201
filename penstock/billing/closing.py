"""Closes a period: one invoice per customer, each in a transaction of its own, each issued once.

An invoice has the plan's fee, the period's usage and what arrived late for earlier periods. Usage that arrives after
an invoice is left to the next one. A customer whose books do not hold is put aside and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.billing import ledger, verification
from penstock.billing.credits import credit_balance
from penstock.billing.payments import record_payment
from penstock.billing.rating import RatingRun, breakdown, rate, runs_to_invoice
from penstock.billing.records import Invoice, Quarantine
from penstock.billing.register import get_invoice, invoice_of
from penstock.billing.subscriptions import subscribers, subscription_of
from penstock.billing.tables import invoice, invoice_line, rating_run
from penstock.billing.terms import lock_customer
from penstock.billing.versions import get_price_version, the_book
from penstock.core.clock import Period, period_at
from penstock.core.errors import Broken, Conflict, NotFound
from penstock.core.money import round_half_away
from penstock.identity.customers import get_customer
from penstock.metering.quantities import charges, late_spans
from penstock.serving import usage_log
from penstock.serving.tables import usage_event
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company

Transactions = Callable[[], AbstractContextManager[Transaction]]
"""`store.transaction`: opens a unit of work."""


@dataclass(frozen=True)
class Closing:
    """A closed period: its invoices by number, and the customers that were put aside."""

    invoices: tuple[Invoice, ...]
    quarantined: tuple[Quarantine, ...]


def close_period(transaction: Transactions, period: Period, company: Company) -> Closing:
    """Issue the invoices of `period` that are not issued yet; answers all of them, old and new.

    Raises Conflict while the period has not ended.
    """
    with transaction() as tx:
        customers = customers_to_invoice(tx, period)
    results = [close_customer(transaction, customer, period, company) for customer in customers]
    invoices = sorted((one for one in results if isinstance(one, Invoice)), key=lambda one: one.number)
    return Closing(tuple(invoices), tuple(one for one in results if isinstance(one, Quarantine)))


def customers_to_invoice(tx: Transaction, period: Period) -> list[str]:
    """Ids of the customers with usage, late usage, a plan or an invoice in the period. Conflict if it has not ended."""
    _refuse_unfinished(tx, period)
    column = invoice.c
    issued = tx.all(
        sa.select(column.customer).where(column.organisation == tx.organisation, column.period == period.name)
    )
    found = {customer for customer, _ in charges(tx, period)} | {row["customer"] for row in issued}
    return sorted(found | subscribers(tx, period) | _with_late_use(tx, period))


def close_customer(transaction: Transactions, customer: str, period: Period, company: Company) -> Invoice | Quarantine:
    """The customer's invoice; or its quarantine, kept in the database, when its books do not hold."""
    try:
        with transaction() as tx:
            return invoice_customer(tx, customer, period, company)
    except (Broken, NotFound) as error:
        with transaction() as tx:
            return verification.quarantine(tx, customer, str(error))


def invoice_customer(tx: Transaction, customer: str, period: Period, company: Company) -> Invoice:
    """Issue the customer's invoice of `period`, or answer the one that was issued.

    Raises Conflict while the period has not ended, Broken when the customer is in quarantine or its books do not
    hold, and NotFound for usage without a price.
    """
    _refuse_unfinished(tx, period)
    lock_customer(tx, customer)
    issued = invoice_of(tx, customer, period)
    if issued is not None:
        return issued
    verification.refuse_broken(tx, customer)
    cutoff_seq = usage_log.watermark(tx)
    _rate_all(tx, customer, period, cutoff_seq, company.timezone)
    lines = _plan_lines(tx, customer, period) + _usage_lines(tx, customer, period)
    return _issue(tx, customer, period, company, lines, cutoff_seq)


def _with_late_use(tx: Transaction, period: Period) -> set[str]:
    """Customers with events of earlier periods that no rating run counted.

    The last closing's cut-offs cannot tell: an event may have come after its customers were listed and before its
    first invoice was issued. What came before the closing that preceded it was there when it listed them.
    """
    column, event, run = invoice.c, usage_event.c, rating_run.c
    mine = column.organisation == tx.organisation
    before_last = sa.select(sa.func.max(column.period_end)).where(mine, column.period_end < period.start)
    seen = sa.select(sa.func.coalesce(sa.func.min(column.cutoff_seq), 0)).where(
        mine, column.period_end == before_last.scalar_subquery()
    )
    counted = sa.exists().where(
        run.organisation == event.organisation,
        run.customer == event.customer,
        run.product == event.product,
        run.period_start <= event.time,
        run.period_end > event.time,
        run.cutoff_seq >= event.seq,
    )
    late = sa.select(event.customer).where(
        event.organisation == tx.organisation,
        event.time < period.start,
        event.seq > int(tx.scalar(seen)),
        ~counted,
    )
    return {row["customer"] for row in tx.all(late.distinct())}


def _refuse_unfinished(tx: Transaction, period: Period) -> None:
    if tx.now < period.end:
        raise Conflict(
            f"{period.name} has not ended: it runs until {period.end:%Y-%m-%d %H:%M} UTC",
            where="period",
            hint="close it after that; what was used so far is in `penstock usage export`",
        )


def _rate_all(tx: Transaction, customer: str, period: Period, cutoff_seq: int, timezone: str) -> None:
    """Rate the period, and each earlier one that got events since the last invoice that covered it."""
    for _, product in charges(tx, period, customer):
        rate(tx, customer, product, period, up_to_seq=cutoff_seq)
    column = invoice.c
    covered = sa.select(sa.func.coalesce(sa.func.max(column.cutoff_seq), 0)).where(
        column.organisation == tx.organisation, column.customer == customer, column.period_end >= period.start
    )
    seen = int(tx.scalar(covered))
    for span in late_spans(tx, customer=customer, before=period.start, after_seq=seen):
        month = period_at(span.first, timezone)
        while month.start <= span.last:
            rate(tx, customer, span.product, month, up_to_seq=cutoff_seq)
            month = period_at(month.end, timezone)


def _plan_lines(tx: Transaction, customer: str, period: Period) -> list[dict[str, Any]]:
    subscription = subscription_of(tx, customer, period)
    if subscription is None:
        return []
    plan = subscription.plan
    tier = {"units": 1, "unit_price": str(plan.monthly.to_decimal()), "amount": str(plan.monthly.to_decimal())}
    line = {"kind": "plan", "title": plan.title, "plan_version": plan.id, "quantity": 1, "unit": "month"}
    return [{**line, **_when(period), "tiers": [tier], "amount_minor": plan.monthly.amount_minor}]


def _usage_lines(tx: Transaction, customer: str, period: Period) -> list[dict[str, Any]]:
    runs = runs_to_invoice(tx, customer, period)
    runs.sort(key=lambda run: run.period.name == period.name)  # late usage of older periods first
    return [_usage_line(tx, run, late=run.period.name != period.name) for run in runs]


def _usage_line(tx: Transaction, run: RatingRun, *, late: bool) -> dict[str, Any]:
    version = get_price_version(tx, run.price_version)
    tiers = [
        {
            "units": use.units,
            "unit_price": None if use.unit_price is None else str(use.unit_price),
            "amount": str(use.amount),
        }
        for use in breakdown(version.price, run)
    ]
    return {
        "kind": "late usage" if late else "usage",
        "title": version.title,
        "product": run.product,
        "rating_run": run.id,
        **_when(run.period),
        "quantity": run.delta_units,
        "unit": version.price.unit,
        "tiers": tiers,
        "amount_minor": run.delta_minor,
        "after_seq": run.after_seq,
        "cutoff_seq": run.cutoff_seq,
    }


def _issue(
    tx: Transaction,
    customer: str,
    period: Period,
    company: Company,
    lines: Sequence[dict[str, Any]],
    cutoff_seq: int,
) -> Invoice:
    currency = the_book(tx).currency
    net = sum(line["amount_minor"] for line in lines)
    tax = int(round_half_away(Decimal(net) * company.tax_rate))
    credit = _credit_to_use(tx, customer, net + tax)
    row = {
        "organisation": tx.organisation,
        "number": _next_number(tx, company.timezone),
        "operation": f"invoice/{period.name}/{customer}",
        "customer": customer,
        **_when(period),
        "currency": currency,
        "net_minor": net,
        "tax_minor": tax,
        "total_minor": net + tax,
        "credit_minor": credit,
        "cutoff_seq": cutoff_seq,
        **_snapshot(tx, customer, company),
        "issued_at": tx.now,
        "due_at": tx.now + timedelta(days=company.payment_days),
    }
    tx.execute(sa.insert(invoice), row)
    empty = dict.fromkeys(("product", "plan_version", "rating_run", "after_seq", "cutoff_seq"))
    for number, line in enumerate(lines, start=1):
        of = {"organisation": tx.organisation, "invoice": row["number"], "number": number}
        tx.execute(sa.insert(invoice_line), {**of, **empty, **line})
    asked: list[ledger.Entry] = [
        ("receivable", net + tax, currency, customer),
        ("earnings", -net, currency, customer),
        ("tax_payable", -tax, currency, None),
    ]
    ledger.post(tx, row["operation"], asked, f"invoice {row['number']}", reference=row["number"])
    issued = get_invoice(tx, row["number"])
    if credit:
        record_payment(tx, issued, credit, operation=f"credit/{row['number']}", method="credit")
    return get_invoice(tx, row["number"])


def _credit_to_use(tx: Transaction, customer: str, total_minor: int) -> int:
    """What the invoice takes from the customer's credit; an invoice below zero gives its amount to it."""
    return min(total_minor, max(0, credit_balance(tx, customer).amount_minor))


def _next_number(tx: Transaction, timezone: str) -> str:
    """'2026-000001': counted per year of issue, without gaps: the row stays locked until the invoice is committed."""
    year = period_at(tx.now, timezone).name[:4]
    return f"{year}-{counters.take(tx, f'invoice {year}'):06d}"


def _snapshot(tx: Transaction, customer: str, company: Company) -> dict[str, Any]:
    buyer = get_customer(tx, customer)
    return {
        "seller": {
            "name": company.name,
            "address": company.address,
            "tax_id": company.tax_id,
            "timezone": company.timezone,
            "locale": company.locale,
        },
        "buyer": {
            "id": buyer.id,
            "name": buyer.name,
            "email": buyer.email,
            "address": buyer.address,
            "tax_id": buyer.tax_id,
            "locale": buyer.locale,
        },
        "tax": {"rate": str(company.tax_rate)},
    }


def _when(period: Period) -> dict[str, Any]:
    return {"period": period.name, "period_start": period.start, "period_end": period.end}
