"""Invoices and their lines as rows, and read again: state from the ledger, and the events that prove a line. See
`closing` for how they arise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.billing.records import CreditNote, Invoice, Line, LineTier, TaxPart, Void
from penstock.billing.shares import read_shares
from penstock.billing.tables import (
    credit_note,
    invoice,
    invoice_line,
    invoice_void,
    ledger_operation,
    posting,
    refund,
    standing,
)
from penstock.core.clock import Period
from penstock.core.errors import BadInput, NotFound
from penstock.metering import usage_log
from penstock.metering.usage_log import UsageEvent
from penstock.storage.engine import Transaction

_COMPUTED = {"period", "lines", "taxes", "open_minor", "refunded_minor", "notes", "void"}


def get_invoice(tx: Transaction, number: str, *, customer: str | None = None) -> Invoice:
    """The invoice `number`; of this customer only, if it is given. Raises NotFound."""
    mine = [invoice.c.number == number] + ([invoice.c.customer == customer] if customer is not None else [])
    found = _read(tx, *mine)
    if not found:
        raise NotFound(f"no invoice {number!r}", where="invoice", hint="see `penstock invoice list`")
    return found[0]


def list_invoices(
    tx: Transaction,
    *,
    customer: str | None = None,
    period: str | None = None,
    after: str = "",
    limit: int = 1_000,
) -> list[Invoice]:
    """Invoices by number: of one customer and one period ('2026-11') if given, those after number `after`."""
    wanted = [invoice.c.number > after]
    for column, value in ((invoice.c.customer, customer), (invoice.c.period, period)):
        if value is not None:
            wanted.append(column == value)
    return _read(tx, *wanted, limit=limit)


def invoices_of(tx: Transaction, customers: Sequence[str], period: Period) -> list[Invoice]:
    """The customers' invoices of the period, as far as they are issued and not void, by number."""
    column = invoice.c
    # sorted here: asked for an order, SQLite would read the invoices of all customers in that order
    rows = tx.all(
        sa.select(invoice).where(
            column.organisation == tx.organisation,
            column.customer.in_(customers),
            column.period == period.name,
            standing(column.number),
        )
    )
    return _complete(tx, sorted(rows, key=lambda row: str(row["number"])))


def line_events(
    tx: Transaction, number: str, line: int, after: int = 0, limit: int = 1_000, *, customer: str | None = None
) -> list[UsageEvent]:
    """The usage events that make up a line's quantity, in `seq` order after `after`: their units sum to it exactly."""
    known = get_invoice(tx, number, customer=customer)
    one = next((each for each in known.lines if each.number == line), None)
    if one is None:
        raise NotFound(f"invoice {number} has no line {line}", where="line", hint=f"it has {len(known.lines)} lines")
    if one.product is None or one.after_seq is None:
        raise BadInput(f"line {line} is a {one.kind}: it has no usage events", where=f"invoice {number}")
    return usage_log.events(
        tx,
        customer=known.customer,
        product=one.product,
        start=one.period.start,
        end=one.period.end,
        after_seq=max(after, one.after_seq),
        up_to_seq=one.cutoff_seq,
        limit=limit,
    )


def _read(tx: Transaction, *wanted: sa.ColumnElement[bool], limit: int = 1_000) -> list[Invoice]:
    query = sa.select(invoice).where(invoice.c.organisation == tx.organisation, *wanted)
    return _complete(tx, tx.all(query.order_by(invoice.c.number).limit(limit)))


def _complete(tx: Transaction, rows: Sequence[sa.RowMapping]) -> list[Invoice]:
    """The invoices with their lines and what is open of them."""
    numbers = [row["number"] for row in rows]
    if not numbers:
        return []
    lines, unpaid, refunded = _lines(tx, numbers), _open(tx, numbers), _refunded(tx, numbers)
    notes, voids = _notes(tx, numbers), _voids(tx, numbers)
    names = set(Invoice.__dataclass_fields__) - _COMPUTED
    return [
        Invoice(
            period=Period(row["period"], row["period_start"], row["period_end"]),
            lines=tuple(_line(line, _taxes(row)[0].rate) for line in lines.get(row["number"], ())),
            taxes=_taxes(row),
            open_minor=unpaid.get(row["number"], 0),
            refunded_minor=refunded.get(row["number"], 0),
            notes=notes.get(row["number"], ()),
            void=voids.get(row["number"]),
            **{name: row[name] for name in names},
        )
        for row in rows
    ]


def invoice_row(tx: Transaction, one: Invoice, cutoff_seq: int) -> dict[str, Any]:
    """An invoice, as it is issued, as its row."""
    names = set(Invoice.__dataclass_fields__) - _COMPUTED
    rates = [
        {"rate": str(part.rate), "net_minor": part.net_minor, "tax_minor": part.tax_minor, "reason": part.reason}
        for part in one.taxes
    ]
    kept = {name: getattr(one, name) for name in names}
    of = {"organisation": tx.organisation, "cutoff_seq": cutoff_seq, "tax": {"rates": rates}}
    return {**of, **kept, **_when(one.period)}


def line_row(tx: Transaction, number: str, line: Line) -> dict[str, Any]:
    """A line of the invoice `number` as its row."""
    names = set(Line.__dataclass_fields__) - {"period", "tiers", "tax_rate"}
    tiers = [
        {
            "units": tier.units,
            "unit_price": None if tier.unit_price is None else str(tier.unit_price),
            "amount": str(tier.amount),
        }
        for tier in line.tiers
    ]
    kept = {name: getattr(line, name) for name in names}
    of = {"organisation": tx.organisation, "invoice": number}
    return {**of, **kept, **_when(line.period), "tiers": tiers, "tax_rate": str(line.tax_rate)}


def read_note(row: Mapping[Any, Any]) -> CreditNote:
    """A credit note from its row."""
    return CreditNote(
        **{name: row[name] for name in CreditNote.__dataclass_fields__ if name != "shares"},
        shares=read_shares(row["shares"]),
    )


def _notes(tx: Transaction, numbers: Iterable[str]) -> dict[str, tuple[CreditNote, ...]]:
    column = credit_note.c
    query = sa.select(credit_note).where(column.organisation == tx.organisation, column.invoice.in_(numbers))
    found: dict[str, tuple[CreditNote, ...]] = {}
    for row in tx.all(query.order_by(column.issued_at, column.number)):
        found[row["invoice"]] = (*found.get(row["invoice"], ()), read_note(row))
    return found


def _voids(tx: Transaction, numbers: Iterable[str]) -> dict[str, Void]:
    column = invoice_void.c
    query = sa.select(invoice_void).where(column.organisation == tx.organisation, column.invoice.in_(numbers))
    return {
        row["invoice"]: Void(row["invoice"], row["operation"], row["reason"], row["voided_at"]) for row in tx.all(query)
    }


def _lines(tx: Transaction, numbers: Iterable[str]) -> dict[str, list[sa.RowMapping]]:
    column = invoice_line.c
    query = sa.select(invoice_line).where(column.organisation == tx.organisation, column.invoice.in_(numbers))
    found: dict[str, list[sa.RowMapping]] = {}
    for row in tx.all(query.order_by(column.invoice, column.number)):
        found.setdefault(row["invoice"], []).append(row)
    return found


def _taxes(row: Mapping[Any, Any]) -> tuple[TaxPart, ...]:
    """An invoice's tax by rate. One that was issued before rates were dated has one rate."""
    if "rates" not in row["tax"]:
        return (TaxPart(Decimal(row["tax"].get("rate", "0")), row["net_minor"], row["tax_minor"]),)
    return tuple(
        TaxPart(Decimal(one["rate"]), one["net_minor"], one["tax_minor"], one["reason"]) for one in row["tax"]["rates"]
    )


def _open(tx: Transaction, numbers: Iterable[str]) -> dict[str, int]:
    """Per invoice, what its operations left on the receivable."""
    both = sa.and_(
        posting.c.organisation == ledger_operation.c.organisation, posting.c.operation == ledger_operation.c.operation
    )
    # the account is no condition: SQLite would read the account of all customers by its index
    receivable = sa.case((posting.c.account == "receivable", posting.c.amount_minor), else_=0)
    query = (
        sa.select(ledger_operation.c.reference, sa.func.sum(receivable).label("amount"))
        .join_from(ledger_operation, posting, both, isouter=True)  # outer: so that SQLite begins with the operations
        .where(ledger_operation.c.organisation == tx.organisation, ledger_operation.c.reference.in_(numbers))
        .group_by(ledger_operation.c.reference)
    )
    return {row["reference"]: int(row["amount"]) for row in tx.all(query)}


def _refunded(tx: Transaction, numbers: Iterable[str]) -> dict[str, int]:
    query = (
        sa.select(refund.c.invoice, sa.func.sum(refund.c.amount_minor).label("amount"))
        .where(refund.c.organisation == tx.organisation, refund.c.invoice.in_(numbers))
        .group_by(refund.c.invoice)
    )
    return {row["invoice"]: int(row["amount"]) for row in tx.all(query)}


def _line(row: Mapping[Any, Any], rate: Decimal) -> Line:
    """A line from its row; rate: of an invoice whose lines do not say theirs."""
    names = set(Line.__dataclass_fields__) - {"period", "tiers", "tax_rate"}
    tiers = tuple(
        LineTier(
            tier["units"], None if tier["unit_price"] is None else Decimal(tier["unit_price"]), Decimal(tier["amount"])
        )
        for tier in row["tiers"]
    )
    period = Period(row["period"], row["period_start"], row["period_end"])
    rate = rate if row["tax_rate"] is None else Decimal(row["tax_rate"])
    return Line(period=period, tiers=tiers, tax_rate=rate, **{name: row[name] for name in names})


def _when(period: Period) -> dict[str, Any]:
    return {"period": period.name, "period_start": period.start, "period_end": period.end}
