"""What closing a month now would ask of each customer: done as the closing does it, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from penstock.billing.closing import Transactions, close_so_far, customers_so_far, pages
from penstock.billing.records import Invoice, Quarantine
from penstock.billing.register import invoices_of
from penstock.core.clock import Period
from penstock.core.errors import Conflict
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company

DRAFT = "draft"
"""The number of an invoice that is not issued."""


def preview(
    dry_run: Transactions, period: Period, company: Company, customers: Sequence[str] | None = None
) -> Iterator[Invoice | Quarantine]:
    """The invoices of a month as they would be now, by customer; those that are issued already as they are.

    A draft's number is "draft". customers: ids; by default all that have something in the month. The month may be
    running. Raises Conflict for a month that has not begun. Nothing is kept; each page of customers holds the
    customers' locks for as long as closing it would.
    """
    if customers is None:
        with dry_run() as tx:
            customers = customers_so_far(tx, period)
    for page in pages(customers):
        with dry_run() as tx:
            drafts = _drafts(tx, page, period, company)
        yield from drafts


def _drafts(tx: Transaction, customers: Sequence[str], period: Period, company: Company) -> list[Invoice | Quarantine]:
    if tx.now < period.start:
        raise Conflict(f"{period.name} has not begun", where="period", hint="choose this month or an earlier one")
    issued = {one.number for one in invoices_of(tx, customers, period)}
    found = close_so_far(tx, customers, period, company)
    return [
        replace(one, number=DRAFT) if isinstance(one, Invoice) and one.number not in issued else one for one in found
    ]
