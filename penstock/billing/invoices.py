"""Invoices, in one place: closing a period, reading what was issued, and its documents."""

from penstock.billing.closing import (
    Closing,
    close_customer,
    close_period,
    customers_to_invoice,
    invoice_customer,
)
from penstock.billing.documents import pdf, to_json
from penstock.billing.records import Invoice, Line, LineTier, Quarantine
from penstock.billing.register import get_invoice, invoice_of, line_events, list_invoices

__all__ = [
    "Closing",
    "Invoice",
    "Line",
    "LineTier",
    "Quarantine",
    "close_customer",
    "close_period",
    "customers_to_invoice",
    "get_invoice",
    "invoice_customer",
    "invoice_of",
    "line_events",
    "list_invoices",
    "pdf",
    "to_json",
]
