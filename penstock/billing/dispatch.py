"""Which invoices were mailed, to whom and when. Knows no mail server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing.tables import invoice, invoice_mail, invoice_void
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Sent:
    """An invoice that a mail server took."""

    id: str
    invoice: str
    recipient: str
    sent_at: datetime


def record_sent(tx: Transaction, number: str, recipient: str) -> Sent:
    """Keep that the invoice was mailed now."""
    sent = Sent(tx.new_id("mail"), number, recipient, tx.now)
    tx.execute(sa.insert(invoice_mail), {"organisation": tx.organisation, **vars(sent)})
    return sent


def sent_of(tx: Transaction, number: str) -> list[Sent]:
    """Every time the invoice was mailed, oldest first."""
    column = invoice_mail.c
    query = sa.select(invoice_mail).where(column.organisation == tx.organisation, column.invoice == number)
    rows = tx.all(query.order_by(column.sent_at, column.id))
    return [Sent(**{name: row[name] for name in Sent.__dataclass_fields__}) for row in rows]


def unsent(tx: Transaction, period: str, *, after: str = "", limit: int = 200) -> list[str]:
    """Numbers above `after` of the month's invoices that were never mailed and ask for something, in order."""
    column = invoice.c

    def has(other: sa.Table) -> sa.ColumnElement[bool]:
        return sa.exists().where(other.c.organisation == column.organisation, other.c.invoice == column.number)

    query = sa.select(column.number).where(
        column.organisation == tx.organisation,
        column.period == period,
        column.number > after,
        ~has(invoice_mail),
        ~has(invoice_void),
    )
    return [row["number"] for row in tx.all(query.order_by(column.number).limit(limit))]
