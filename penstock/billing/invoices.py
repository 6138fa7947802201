"""Invoices, in one place: closing a period, reading what was issued, and its documents."""

from penstock.billing.closing import (
    Closing,
    close_customers,
    close_period,
    customers_to_invoice,
    invoice_customer,
    pages,
)
from penstock.billing.documents import note_json, note_pdf, pdf, to_json
from penstock.billing.records import Invoice, Line, LineTier, Quarantine
from penstock.billing.register import get_invoice, invoices_of, line_events, list_invoices

__all__ = [
    "Closing",
    "Invoice",
    "Line",
    "LineTier",
    "Quarantine",
    "close_customers",
    "close_period",
    "customers_to_invoice",
    "get_invoice",
    "invoice_customer",
    "invoices_of",
    "line_events",
    "list_invoices",
    "note_json",
    "note_pdf",
    "pages",
    "pdf",
    "to_json",
]
