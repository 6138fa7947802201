"""Tax as documents show it: by rate, as JSON values and as lines of text. Knows no database."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from penstock.billing.records import CreditNote, Invoice
from penstock.billing.shares import by_rate
from penstock.billing.taxes import percent
from penstock.core.money import Money


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    """The tax of an invoice; `rate` is null where its lines have several, `rates` has each with its net."""
    rates = [
        {
            "rate": str(part.rate),
            "net": _amount(part.net_minor, invoice.currency),
            "amount": _amount(part.tax_minor, invoice.currency),
            "reason": part.reason,
        }
        for part in invoice.taxes
    ]
    only = rates[0]["rate"] if len(rates) == 1 else None
    return {"rate": only, "amount": _amount(invoice.tax_minor, invoice.currency), "rates": rates}


def note_json(note: CreditNote) -> list[dict[str, Any]]:
    """The net and tax of a credit note by rate; empty for one made before rates were dated."""
    return [
        {"rate": str(rate), "net": _amount(net, note.currency), "amount": _amount(tax, note.currency)}
        for rate, net, tax in by_rate(note.shares or ())
    ]


def totals(words: Mapping[str, str], locale: str, invoice: Invoice, note: CreditNote | None = None) -> list[Any]:
    """Net, tax by rate (of which net, where there are several) and total of an invoice, or of its credit note."""
    one = note or invoice
    taxes = [(part.rate, part.net_minor, part.tax_minor) for part in invoice.taxes]
    if note is not None:
        taxes = by_rate(note.shares) if note.shares else [(taxes[0][0], note.net_minor, note.tax_minor)]

    def amount(minor: int) -> str:
        return Money(minor, one.currency).display(locale)

    word = words["tax" if len(taxes) == 1 else "tax_on"]
    shown = taxes if len(taxes) > 1 or one.tax_minor else []
    rows = [(word.format(rate=percent(rate), net=amount(net)), amount(tax)) for rate, net, tax in shown]
    return [(words["net"], amount(one.net_minor)), *rows, (words["total"], amount(one.total_minor))]


def reasons(words: Mapping[str, str], invoice: Invoice) -> list[str]:
    """Why the customer has rates of its own: such as 'Tax 0%: reverse charge'."""
    return [f"{said_rate(words, one.rate)}: {one.reason}" for one in invoice.taxes if one.reason]


def said_rate(words: Mapping[str, str], rate: Decimal) -> str:
    """'Tax 6%'."""
    return words["tax"].format(rate=percent(rate))


def _amount(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).to_decimal():f}"
