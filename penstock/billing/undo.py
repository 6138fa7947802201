"""Undoing an invoice: void it while nothing is paid, or credit it by a numbered note. Nothing issued is edited."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from penstock.billing import given, ledger, payments, tables
from penstock.billing.documents import note_pdf
from penstock.billing.records import CreditNote, Invoice, Void
from penstock.billing.register import get_invoice, read_note
from penstock.billing.shares import take
from penstock.core.clock import period_at
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company


def void(tx: Transaction, *, invoice: str, reason: str, operation: str) -> Void:
    """Take back an invoice of which nothing is paid. It keeps its number; its use and fee can be invoiced again.

    The same operation again changes nothing. Raises Conflict when something was paid, credited or voided before.
    """
    known = payments.locked(tx, invoice, None)
    _refuse_no_reason(reason)
    if known.void is not None:
        if known.void.operation == operation:
            return known.void
        raise Conflict(f"it was voided on {known.void.voided_at:%Y-%m-%d}", where=f"invoice {invoice}")
    _refuse_unvoidable(tx, known)
    ledger.reverse(tx, known.operation, operation, f"invoice {invoice} void: {reason}")
    made = Void(invoice, operation, reason, tx.now)
    row = {**vars(made), "customer": known.customer, "total_minor": known.total_minor}
    tx.execute(sa.insert(tables.invoice_void), {"organisation": tx.organisation, **row})
    counters.bump(tx, "terms")  # less is owed: gateways forget a refusal
    return made


def credit_note(
    tx: Transaction,
    *,
    invoice: str,
    amount: Money | None,
    reason: str,
    operation: str,
    company: Company,
    in_cash: bool = False,
    line: int | None = None,
) -> CreditNote:
    """Credit `amount` of the invoice, tax included, or all that was not given back yet (None); of one `line`, if given.

    It first reduces what is open. What is more was paid, and goes to the customer's credit, or back in cash: one of
    the two. The same operation again changes nothing. Raises Conflict when more would be given back than there is.
    """
    known = payments.locked(tx, invoice, amount)
    _refuse_no_reason(reason)
    before = next((one for one in known.notes if one.operation == operation), None)
    if before is not None:
        payments.same(operation, (before.total_minor,), (amount.amount_minor if amount else before.total_minor,))
        return before
    had, left = given.given_back(tx, known), given.shares_left(tx, known)
    most = given.most_of(known, had, left, line)
    wanted = most if amount is None else amount
    given.refuse_twice(known, had, wanted if wanted.amount_minor > 0 else Money(1, known.currency), most)
    reduced = min(wanted.amount_minor, known.open_minor)
    shares = take(given.of_line(left, line), wanted.amount_minor)
    tax = sum(one.tax_minor for one in shares)
    reduced_tax = tax * reduced // wanted.amount_minor
    taken: list[ledger.Entry] = [
        ("refunds", reduced - reduced_tax, known.currency, known.customer),
        ("tax_payable", reduced_tax, known.currency, None),
        ("receivable", -reduced, known.currency, known.customer),
    ]
    year = period_at(tx.now, company.timezone).name[:4]
    number = f"CN-{year}-{counters.take(tx, f'credit note {year}'):06d}"
    ledger.post(tx, operation, taken, f"credit note {number}: {reason}", reference=invoice)
    back = _pay_back(tx, known, wanted.amount_minor - reduced, tax - reduced_tax, f"{operation}/paid", number, in_cash)
    row: dict[str, Any] = {
        "organisation": tx.organisation,
        "number": number,
        "operation": operation,
        "invoice": invoice,
        "customer": known.customer,
        "currency": known.currency,
        "net_minor": wanted.amount_minor - tax,
        "tax_minor": tax,
        "total_minor": wanted.amount_minor,
        "reduced_minor": reduced,
        "refund": back,
        "reason": reason,
        "seller": dict(known.seller),
        "buyer": {**known.buyer, "locale": get_customer(tx, known.customer).locale},
        "issued_at": tx.now,
        "shares": [one.as_json() for one in shares],
    }
    tx.execute(sa.insert(tables.credit_note), row)
    counters.bump(tx, "terms")
    return get_note(tx, number)


def note_document(tx: Transaction, number: str) -> bytes:
    """A credit note as PDF."""
    note = get_note(tx, number)
    refunds = [one for one in payments.list_refunds(tx, note.invoice) if one.id == note.refund]
    in_cash = any(one.to_credit_minor == 0 for one in refunds)
    return note_pdf(note, get_invoice(tx, note.invoice), in_cash=in_cash)


def get_note(tx: Transaction, number: str) -> CreditNote:
    """The credit note `number`. Raises NotFound."""
    column = tables.credit_note.c
    row = tx.first(sa.select(tables.credit_note).where(column.organisation == tx.organisation, column.number == number))
    if row is None:
        raise NotFound(f"no credit note {number!r}", where="credit note", hint="see `penstock invoice show`")
    return read_note(row)


def refuse_overcorrected(tx: Transaction, customer: str, product: str, period: str) -> None:
    """After a correction: Conflict when an invoice gives back more by it than its lines of this charge bear."""
    line = tables.invoice_line.c
    query = (
        sa.select(line.invoice)
        .where(line.organisation == tx.organisation, line.product == product, line.period == period)
        .join_from(tables.invoice_line, tables.invoice, tables.same_invoice())
        .where(tables.invoice.c.customer == customer, tables.standing(line.invoice))
        .distinct()
    )
    for row in tx.all(query):
        given.refuse_overcorrected(tx, get_invoice(tx, row["invoice"]), product, period)


def _pay_back(
    tx: Transaction, known: Invoice, amount_minor: int, tax_minor: int, operation: str, number: str, in_cash: bool
) -> str | None:
    """Give back what was paid: to credit, or in cash as far as cash was paid. Answers the refund's id."""
    if amount_minor == 0:
        return None
    cash = payments.cash_left(tx, known)
    if in_cash and cash < amount_minor:
        most, asked = Money(max(0, cash), known.currency), Money(amount_minor, known.currency)
        raise Conflict(
            f"{asked} would go back in cash, and only {most} was paid in cash and not given back",
            where=f"invoice {known.number}",
            hint="give it to the customer's credit instead",
        )
    to_credit = 0 if in_cash else amount_minor
    reason = f"credit note {number}"
    return payments.give(tx, known, amount_minor, tax_minor, to_credit, operation, reason).id


def _refuse_unvoidable(tx: Transaction, known: Invoice) -> None:
    where = f"invoice {known.number}"
    if known.total_minor < 0:
        hint = "its corrections can be corrected: penstock usage correct"
        raise Conflict("it gave money to the customer's credit: it cannot be voided", where=where, hint=hint)
    if known.notes:
        raise Conflict(f"credit note {known.notes[0].number} was issued on it", where=where, hint="credit the rest too")
    if known.paid_minor:
        back = {-one.amount_minor: one for one in payments.list_payments(tx, known.number)}
        paid = [one.operation for one in back.values() if one.amount_minor > 0]
        raise Conflict(
            f"{Money(known.paid_minor, known.currency)} of it is paid: only an unpaid invoice is voided",
            where=where,
            hint=f"penstock invoice cancel-payment {paid[-1]}, or penstock invoice credit-note {known.number}",
        )


def _refuse_no_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("a reason is needed", where="reason", hint="it stands in the books and on the document")
