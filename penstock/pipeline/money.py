"""Money across the packages: closing a month as a durable workflow; payments and refunds with their commissions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from penstock.billing import invoices, payments, undo
from penstock.billing.closing import Transactions
from penstock.billing.months import months_to_bill, refuse_skipped, refuse_unfinished, unclosed_months
from penstock.billing.preview import DRAFT, preview
from penstock.billing.records import CreditNote, Invoice, Payment, Quarantine, Refund, Void
from penstock.billing.terms import lock_customer
from penstock.billing.verification import release_from_quarantine
from penstock.billing.versions import priced_products
from penstock.channels import commissions
from penstock.core.clock import Period, period_at, period_of
from penstock.core.errors import BadInput
from penstock.core.money import Money, exact_money
from penstock.identity.customers import get_customer
from penstock.metering import corrections
from penstock.metering.usage_log import UsageEvent
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.workflows import Workflows, step
from penstock.storage.engine import Transaction, is_sqlite
from penstock.workspace.loader import product_of

SHARE_LEFT = 0.33  # of the time that a page held SQLite's one writer, others get before the next page


def month(house: House, name: str | None) -> Period:
    """The month by name, or the present one, in the company's time zone."""
    timezone = house.workspace.company.timezone
    return period_of(name, timezone) if name else period_at(house.store.clock.now(), timezone)


def close_month(workflows: Workflows, period: str, *, catch_up: bool = False) -> dict[str, Any]:
    """Close a month durably; with `catch_up` the months before it too that wait to be closed, oldest first.

    Answers {"months": names closed; "invoices": numbers, old and new; "quarantined": customers put aside}. Raises
    Conflict for a month that has not ended, and without `catch_up` while an earlier one waits.
    """
    closed: dict[str, Any] = workflows.run_or_resume("close", closing_of(period, catch_up))
    return closed


def closing_of(period: str, catch_up: bool) -> dict[str, Any]:
    """The arguments of workflow "close"."""
    return {"period": period, "catch_up": True} if catch_up else {"period": period}


def close(house: House, arguments: dict[str, Any], progress: Progress = no_progress) -> dict[str, Any]:
    """The workflow: a step and a transaction for each page of customers, so a kill costs at most one page's work."""
    names = step("months", _months_to_close, house, arguments["period"], bool(arguments.get("catch_up")))
    numbers: list[str] = []
    aside: dict[str, dict[str, str]] = {}
    for name in names:
        closed = _close_one(house, month(house, name), progress)
        numbers += closed["invoices"]
        aside |= {one["customer"]: one for one in reversed(closed["quarantined"]) if one["customer"] not in aside}
    return {"months": names, "invoices": sorted(numbers), "quarantined": [aside[id] for id in sorted(aside)]}


def resume(house: House, customer: str) -> tuple[Quarantine, list[str]]:
    """Bill a customer again that was put aside; answers why it was, and the months to close (again) for it."""
    with house.store.transaction() as tx:
        aside = release_from_quarantine(tx, get_customer(tx, customer).id)
        return aside, [one.name for one in months_to_bill(tx, aside.customer, house.workspace.company.timezone)]


@dataclass(frozen=True)
class Received:
    """A payment that was recorded, and what was paid beyond the open amount and kept as credit."""

    payment: Payment
    kept: Money

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON values: the payment's fields, and kept_minor."""
        return {**vars(self.payment), "kept_minor": self.kept.amount_minor}


def take_payment(
    house: House,
    number: str,
    *,
    amount: str | None,
    operation: str | None,
    method: str,
    keep_rest: bool = False,
    from_credit: bool = False,
) -> Received:
    """Record a payment of an invoice (default: all that is open), and the commission on it, in one transaction.

    keep_rest: keep what is more than the open amount as credit. from_credit: take it from the customer's credit.
    """
    if keep_rest and from_credit:
        raise BadInput("what is taken from credit leaves no rest to keep", where="keep_rest", hint="use one of the two")
    with house.store.transaction() as tx:
        invoice = invoices.get_invoice(tx, number)
        wanted = None if amount is None else exact_money(amount, invoice.currency)
        operation = operation or tx.new_id("op")
        if from_credit:
            made = payments.pay_from_credit(tx, invoice=number, amount=wanted, operation=operation)
        else:
            made = payments.pay(
                tx, invoice=number, amount=wanted, operation=operation, method=method, keep_rest=keep_rest
            )
        commissions.settle(tx, [made.customer])
        return Received(made, payments.kept_as_credit(tx, made))


def take_back_payment(house: House, payment_operation: str, *, operation: str | None) -> Payment:
    """Record that a payment did not arrive after all, and take its commission back, in one transaction."""
    with house.store.transaction() as tx:
        made = payments.cancel_payment(tx, payment_operation=payment_operation, operation=operation or tx.new_id("op"))
        commissions.settle(tx, [made.customer])
    return made


def give_refund(
    house: House, number: str, *, amount: str, operation: str | None, reason: str, line: int | None = None
) -> Refund:
    """Record a refund of an invoice, or of one line of it, and take the commission on it back, in one transaction."""
    with house.store.transaction() as tx:
        back = exact_money(amount, invoices.get_invoice(tx, number).currency)
        operation = operation or tx.new_id("op")
        made = payments.refund(tx, invoice=number, amount=back, operation=operation, reason=reason, line=line)
        commissions.settle(tx, [made.customer])
    return made


def void_invoice(house: House, number: str, *, reason: str, operation: str | None) -> Void:
    """Take back an unpaid invoice: it keeps its number, and its month can be closed again for that customer."""
    with house.store.transaction() as tx:
        return undo.void(tx, invoice=number, reason=reason, operation=operation or tx.new_id("op"))


def give_credit_note(
    house: House,
    number: str,
    *,
    amount: str | None,
    reason: str,
    operation: str | None,
    in_cash: bool = False,
    line: int | None = None,
) -> CreditNote:
    """Credit an invoice, or one line of it, and take back the commission on what was paid.

    amount: None for all that was not given back.
    """
    with house.store.transaction() as tx:
        currency = invoices.get_invoice(tx, number).currency
        made = undo.credit_note(
            tx,
            invoice=number,
            amount=None if amount is None else exact_money(amount, currency),
            reason=reason,
            operation=operation or tx.new_id("op"),
            company=house.workspace.company,
            in_cash=in_cash,
            line=line,
        )
        commissions.settle(tx, [made.customer])
    return made


def preview_month(house: House, period: str | None, customer: str | None = None) -> Iterator[Invoice | Quarantine]:
    """What closing a month (default: this one) now would ask of each customer, or of one. Nothing is kept."""
    chosen: list[str] | None = None
    if customer is not None:
        with house.store.read() as tx:
            chosen = [get_customer(tx, customer).id]
    return preview(partial(_in_turn, house, house.store.dry_run), month(house, period), house.workspace.company, chosen)


def draft_pdf(house: House, invoice: Invoice) -> bytes:
    """A previewed invoice as PDF, marked as a draft if it is not issued."""
    return invoices.pdf(invoice, house.workspace.company.payment, draft=invoice.number == DRAFT)


def preview_facts(found: Iterable[Invoice | Quarantine]) -> list[dict[str, Any]]:
    """Previewed invoices as JSON values; of a customer that cannot be invoiced, its id and why."""
    return [
        invoices.to_json(one) if isinstance(one, Invoice) else {"customer": one.customer, "error": one.reason}
        for one in found
    ]


def preview_rows(found: Iterable[Invoice | Quarantine]) -> list[dict[str, Any]]:
    """A table row per previewed invoice, and per customer that cannot be invoiced."""
    rows: list[dict[str, Any]] = []
    for one in found:
        if isinstance(one, Quarantine):
            rows.append({"customer": one.name, "invoice": "cannot be invoiced", "why": one.reason})
            continue
        amounts = {
            "net": one.net_minor,
            "tax": one.tax_minor,
            "total": one.total_minor,
            "from_credit": one.credit_minor,
        }
        money = {name: Money(minor, one.currency) for name, minor in amounts.items()}
        rows.append({"customer": one.buyer["name"], "invoice": one.number, **money, "why": ""})
    return rows


def invoice_pdf(house: House, number: str) -> bytes:
    """An invoice as PDF, or a credit note by its number."""
    with house.store.read() as tx:
        if number.startswith("CN-"):
            return undo.note_document(tx, number)
        return invoices.pdf(invoices.get_invoice(tx, number), house.workspace.company.payment)


def correct_use(
    house: House, customer: str, product: str, units: int, *, period: str | None, reason: str, operation: str
) -> UsageEvent:
    """Add `units` (negative: take away) to a customer's use in a month (default: this one). One operation counts once.

    The correction stands at the end of a month that is over, and now in the present one.
    """
    chosen = month(house, period)
    with house.store.transaction() as tx:
        if product not in priced_products(tx):
            product_of(house.workspace, product)
        running = chosen.start <= tx.now < chosen.end
        made = corrections.correct(
            tx,
            customer=customer,
            product=product,
            units=units,
            time=tx.now if running else chosen.end - timedelta(microseconds=1),
            reason=reason,
            operation=operation,
            timezone=house.workspace.company.timezone,
        )
        lock_customer(tx, made.customer)
        if units < 0:
            undo.refuse_overcorrected(tx, made.customer, product, chosen.name)
    return made


def invoice_rows(tx: Transaction, period: str | None = None) -> list[dict[str, Any]]:
    """A table row per invoice, by number; of one month ('2026-11') if it is given."""
    found: list[invoices.Invoice] = []
    while page := invoices.list_invoices(tx, period=period, after=found[-1].number if found else ""):
        found += page
    return [
        {
            "number": invoice.number,
            "customer": invoice.buyer["name"],
            "period": invoice.period.name,
            "total": Money(invoice.total_minor, invoice.currency),
            "open": Money(invoice.open_minor, invoice.currency),
            "credited": Money(sum(note.total_minor for note in invoice.notes), invoice.currency),
            "state": invoice.state,
            "issued": invoice.issued_at,
        }
        for invoice in found
    ]


def _months_to_close(house: House, name: str, catch_up: bool) -> list[str]:
    period, timezone = month(house, name), house.workspace.company.timezone
    with house.store.read() as tx:
        if not catch_up:
            refuse_skipped(tx, period, timezone)
            return [period.name]
        refuse_unfinished(tx, period)
        return [*(one.period.name for one in unclosed_months(tx, period, timezone)), period.name]


def _close_one(house: House, period: Period, progress: Progress) -> dict[str, Any]:
    customers = step(f"whom in {period.name}", _customers_to_invoice, house, period)
    numbers: list[str] = []
    aside: list[dict[str, str]] = []
    for page in invoices.pages(customers):
        done = len(numbers) + len(aside)
        progress(f"closing {period.name}", done, len(customers), f"{done:,} of {len(customers):,} customers")
        closed = step(f"{period.name}: {page[0]} to {page[-1]}", _close_page, house, page, period)
        numbers += closed["invoices"]
        aside += closed["quarantined"]
    progress(f"closing {period.name}", len(customers), len(customers), f"{len(customers):,} customers")
    return {"invoices": numbers, "quarantined": aside}


def _customers_to_invoice(house: House, period: Period) -> list[str]:
    with house.store.read() as tx:
        return invoices.customers_to_invoice(tx, period)


def _close_page(house: House, customers: Sequence[str], period: Period) -> dict[str, Any]:
    with _in_turn(house, house.store.transaction) as tx:
        # prepaid credit pays at once, so the commission on it is part of the same step
        made = invoices.close_customers(tx, customers, period, house.workspace.company, commissions.settle)
    aside = [one for one in made if isinstance(one, invoices.Quarantine)]
    return {
        "invoices": [one.number for one in made if isinstance(one, invoices.Invoice)],
        "quarantined": [{"customer": one.customer, "name": one.name, "reason": one.reason} for one in aside],
    }


@contextmanager
def _in_turn(house: House, transaction: Transactions) -> Iterator[Transaction]:
    """One of many transactions in a row that leaves SQLite's one writer to others for a while before the next."""
    began = time.monotonic()
    with transaction() as tx:
        yield tx
    if is_sqlite(house.store.engine):
        time.sleep((time.monotonic() - began) * SHARE_LEFT)
