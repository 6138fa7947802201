"""Payments and refunds of invoices, each booked once under its operation id. Knows no bank and no card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from penstock.billing import given, ledger, tables
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.records import Invoice, Payment, Refund
from penstock.billing.register import get_invoice
from penstock.billing.shares import LineShare, read_shares, take
from penstock.billing.terms import lock_customer
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import Money
from penstock.storage.engine import Transaction

CREDIT = "credit"  # the method of what is taken from the customer's credit


def pay(
    tx: Transaction,
    *,
    invoice: str,
    amount: Money | None,
    operation: str,
    method: str = "by hand",
    keep_rest: bool = False,
) -> Payment:
    """Book a payment of `amount`, or of all that is open (None). The same operation again changes nothing and
    answers the payment that was booked.

    keep_rest: what is paid beyond the open amount is kept as the customer's credit. Raises Conflict when more than
    the open amount is paid otherwise, nothing is open, or the operation was used for something else.
    """
    known = locked(tx, invoice, amount)
    before = _payment(tx, operation)
    if before is not None:
        kept = kept_as_credit(tx, before)
        asked = before.amount_minor + kept.amount_minor if amount is None else amount.amount_minor
        booked = (before.invoice, before.amount_minor + kept.amount_minor, before.method)
        same(operation, booked, (invoice, asked, method))
        return before
    if method == CREDIT:
        hint = "penstock invoice pay NUMBER --from-credit takes it; a method is e.g. bank transfer"
        raise BadInput("credit is not a way of paying from outside", where="method", hint=hint)
    _refuse_settled(known)
    amount = amount or Money(known.open_minor, known.currency)
    rest = amount - Money(known.open_minor, known.currency)
    if rest.amount_minor > 0 and not keep_rest:
        raise Conflict(
            f"{amount} is more than the open amount of {Money(known.open_minor, known.currency)}",
            where=f"invoice {invoice}",
            hint=f"pay the open amount, or keep the other {rest} as credit: --keep-rest-as-credit (keep_rest)",
        )
    paid = record_payment(tx, known, min(amount.amount_minor, known.open_minor), operation=operation, method=method)
    if rest.amount_minor > 0:
        add_credit(tx, known.customer, rest, _rest_of(operation), f"rest of a payment of {invoice}: {method}")
    return paid


def pay_from_credit(tx: Transaction, *, invoice: str, amount: Money | None, operation: str) -> Payment:
    """Take `amount` of the customer's credit for an open invoice; None: as much as is open and there is.

    The same operation again changes nothing. Raises Conflict beyond the open amount or the credit.
    """
    known = locked(tx, invoice, amount)
    before = _payment(tx, operation)
    if before is not None:
        asked = before.amount_minor if amount is None else amount.amount_minor
        same(operation, (before.invoice, before.amount_minor, before.method), (invoice, asked, CREDIT))
        return before
    _refuse_settled(known)
    credit = credit_balance(tx, known.customer)
    if credit.amount_minor <= 0:
        raise Conflict("the customer has no credit", where=f"invoice {invoice}", hint="penstock credit add")
    most = Money(min(known.open_minor, credit.amount_minor), known.currency)
    if amount is not None and most < amount:
        unpaid = Money(known.open_minor, known.currency)
        raise Conflict(f"{unpaid} is open and {credit} of credit is left: {amount} is more", where=f"invoice {invoice}")
    return record_payment(tx, known, (amount or most).amount_minor, operation=operation, method=CREDIT)


def kept_as_credit(tx: Transaction, payment: Payment) -> Money:
    """What was paid beyond the open amount and kept as credit, together with this payment."""
    booked = ledger.entries(tx, operation=_rest_of(payment.operation))
    return Money(sum(one.amount_minor for one in booked if one.account == "cash"), payment.currency)


def cancel_payment(tx: Transaction, *, payment_operation: str, operation: str) -> Payment:
    """Take back a payment booked by mistake: the opposite posting and a negative payment. Nothing is edited."""
    paid = _payment(tx, payment_operation)
    if paid is None:
        raise NotFound(f"no payment {payment_operation!r}", where="operation")
    known = get_invoice(tx, paid.invoice)
    lock_customer(tx, known.customer)
    before = _payment(tx, operation)
    if before is not None:
        same(operation, (before.invoice, before.amount_minor), (paid.invoice, -paid.amount_minor))
        return before
    if paid.amount_minor < 0:
        raise Conflict(f"{payment_operation!r} took money back: there is nothing to cancel", hint="book a new payment")
    if ledger.is_reversed(tx, payment_operation):
        raise Conflict("this payment was taken back before", where=f"invoice {known.number}")
    known = get_invoice(tx, paid.invoice)
    left = known.paid_minor - known.refunded_minor
    if paid.method != CREDIT:
        left = min(left, cash_left(tx, known))
    if left < paid.amount_minor:
        raise Conflict("a part of this payment was refunded", where=f"invoice {known.number}")
    _take_back_rest(tx, paid, operation)
    ledger.reverse(tx, payment_operation, operation, f"payment of {known.number} taken back")
    tax = tax_share(known, known.paid_minor, -paid.amount_minor)
    return _insert_payment(tx, known, -paid.amount_minor, tax, operation, paid.method)


def refund(
    tx: Transaction, *, invoice: str, amount: Money, operation: str, reason: str, line: int | None = None
) -> Refund:
    """Give money back the way it came: first what was paid in cash, the rest to the customer's credit.

    The same operation again changes nothing. Raises Conflict when more is asked back than was paid.
    """
    known = locked(tx, invoice, amount)
    before = next((one for one in list_refunds(tx) if one.operation == operation), None)
    if before is not None:
        same(operation, (before.invoice, before.amount_minor), (invoice, amount.amount_minor))
        return before
    had = given.given_back(tx, known)
    paid = max(0, known.paid_minor - known.refunded_minor)
    if amount.amount_minor > paid:
        raise Conflict(
            f"{amount} is more than the {Money(paid, known.currency)} that was paid and not refunded"
            + (f": {given.said(known, had)}" if had else ""),
            where=f"invoice {invoice}",
        )
    left = given.shares_left(tx, known)
    given.refuse_twice(known, had, amount, given.most_of(known, had, left, line))
    shares = take(given.of_line(left, line), amount.amount_minor)
    tax = sum(one.tax_minor for one in shares)
    to_credit = amount.amount_minor - min(amount.amount_minor, max(0, cash_left(tx, known)))
    return give(tx, known, amount.amount_minor, tax, to_credit, operation, reason, shares)


def give(
    tx: Transaction,
    known: Invoice,
    amount_minor: int,
    tax_minor: int,
    to_credit_minor: int,
    operation: str,
    reason: str,
    shares: tuple[LineShare, ...] | None = None,
) -> Refund:
    """Book money given back that was checked: `to_credit_minor` of it to the customer's credit, the rest in cash.

    shares: of which lines; None when a credit note says so.
    """
    currency, customer = known.currency, known.customer
    entries: list[ledger.Entry] = [
        ("refunds", amount_minor - tax_minor, currency, customer),
        ("tax_payable", tax_minor, currency, None),
        ("customer_credit", -to_credit_minor, currency, customer),
        ("cash", to_credit_minor - amount_minor, currency, customer),
    ]
    ledger.post(tx, operation, entries, f"refund of {known.number}: {reason}", reference=known.number)
    row = {
        **_common(tx, known, "ref", operation),
        "amount_minor": amount_minor,
        "tax_minor": tax_minor,
        "to_credit_minor": to_credit_minor,
        "reason": reason,
        "refunded_at": tx.now,
        "shares": sa.null() if shares is None else [one.as_json() for one in shares],
    }
    tx.execute(sa.insert(tables.refund).values(row))
    return _refund({**row, "shares": None if shares is None else row["shares"]})


def list_payments(tx: Transaction, invoice: str | None = None) -> list[Payment]:
    """Payments in the order they came, of one invoice if it is given."""
    query = sa.select(tables.payment).where(tables.payment.c.organisation == tx.organisation)
    if invoice is not None:
        query = query.where(tables.payment.c.invoice == invoice)
    rows = tx.all(query.order_by(tables.payment.c.paid_at, tables.payment.c.id))
    return [Payment(**{name: row[name] for name in Payment.__dataclass_fields__}) for row in rows]


def list_refunds(tx: Transaction, invoice: str | None = None) -> list[Refund]:
    """Refunds in the order they were made, of one invoice if it is given."""
    query = sa.select(tables.refund).where(tables.refund.c.organisation == tx.organisation)
    if invoice is not None:
        query = query.where(tables.refund.c.invoice == invoice)
    rows = tx.all(query.order_by(tables.refund.c.refunded_at, tables.refund.c.id))
    return [_refund(row) for row in rows]


def _refund(row: Mapping[Any, Any]) -> Refund:
    facts = {name: row[name] for name in Refund.__dataclass_fields__ if name != "shares"}
    return Refund(**facts, shares=read_shares(row["shares"]))


def record_payment(tx: Transaction, invoice: Invoice, amount_minor: int, *, operation: str, method: str) -> Payment:
    """Book a payment that was checked: from cash, or from the customer's credit (negative: to it)."""
    source = "customer_credit" if method == CREDIT else "cash"
    entries: list[ledger.Entry] = [
        (source, amount_minor, invoice.currency, invoice.customer),
        ("receivable", -amount_minor, invoice.currency, invoice.customer),
    ]
    ledger.post(tx, operation, entries, f"payment of {invoice.number}: {method}", reference=invoice.number)
    tax = tax_share(invoice, invoice.paid_minor, amount_minor)
    return _insert_payment(tx, invoice, amount_minor, tax, operation, method)


def _take_back_rest(tx: Transaction, paid: Payment, operation: str) -> None:
    """The credit that came with a payment goes with it. Raises Conflict when some of it is spent."""
    kept = kept_as_credit(tx, paid)
    if kept.amount_minor:
        credit = credit_balance(tx, paid.customer)
        if credit < kept:
            raise Conflict(
                f"{kept} of this payment was kept as credit, and only {credit} of it is left",
                where=f"invoice {paid.invoice}",
                hint="take back what the credit paid first: see `penstock invoice payments`",
            )
        memo = f"rest of a payment of {paid.invoice} taken back"
        ledger.reverse(tx, _rest_of(paid.operation), _rest_of(operation), memo)


def _rest_of(operation: str) -> str:
    """The operation that keeps a payment's rest as credit."""
    return f"{operation}/rest"


def _refuse_settled(invoice: Invoice) -> None:
    if invoice.open_minor <= 0:
        raise Conflict(
            f"nothing is open: it is {invoice.state}",
            where=f"invoice {invoice.number}",
            hint="money that came all the same: penstock credit add",
        )


def locked(tx: Transaction, number: str, amount: Money | None) -> Invoice:
    """The invoice as it stands once nobody else can change what is paid of it. Checks the amount, if it is given."""
    known = get_invoice(tx, number)
    if amount is not None and amount.currency != known.currency:
        raise BadInput(f"invoice {number} is in {known.currency}, not {amount.currency}", where="amount")
    if amount is not None and amount.amount_minor <= 0:
        raise BadInput(f"{amount} is not an amount to pay or refund", where="amount")
    lock_customer(tx, known.customer)
    return get_invoice(tx, number)


def _payment(tx: Transaction, operation: str) -> Payment | None:
    query = sa.select(tables.payment).where(
        tables.payment.c.organisation == tx.organisation, tables.payment.c.operation == operation
    )
    row = tx.first(query)
    return None if row is None else Payment(**{name: row[name] for name in Payment.__dataclass_fields__})


def same(operation: str, before: tuple[object, ...], now: tuple[object, ...]) -> None:
    if before != now:
        raise Conflict(
            f"operation {operation!r} was used before for {before}", where="operation", hint="use a new operation id"
        )


def tax_share(invoice: Invoice, before_minor: int, amount_minor: int) -> int:
    """The tax in an amount, so that the shares of all parts sum to the invoice's tax exactly."""
    return _tax_of(invoice, before_minor + amount_minor) - _tax_of(invoice, before_minor)


def _tax_of(invoice: Invoice, paid_minor: int) -> int:
    return 0 if invoice.total_minor == 0 else invoice.tax_minor * paid_minor // invoice.total_minor


def cash_left(tx: Transaction, invoice: Invoice) -> int:
    """What was paid in cash and not given back in cash."""
    paid = sum(one.amount_minor for one in list_payments(tx, invoice.number) if one.method != CREDIT)
    return paid - sum(one.amount_minor - one.to_credit_minor for one in list_refunds(tx, invoice.number))


def _insert_payment(
    tx: Transaction, invoice: Invoice, amount_minor: int, tax_minor: int, operation: str, method: str
) -> Payment:
    row = {
        **_common(tx, invoice, "pay", operation),
        "amount_minor": amount_minor,
        "tax_minor": tax_minor,
        "method": method,
        "paid_at": tx.now,
    }
    tx.execute(sa.insert(tables.payment), row)
    return Payment(**{name: row[name] for name in Payment.__dataclass_fields__})


def _common(tx: Transaction, invoice: Invoice, prefix: str, operation: str) -> dict[str, Any]:
    return {
        "organisation": tx.organisation,
        "id": tx.new_id(prefix),
        "operation": operation,
        "invoice": invoice.number,
        "customer": invoice.customer,
        "currency": invoice.currency,
    }
