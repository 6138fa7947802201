"""Invoices: the list, one with its lines, the events that prove a line, payments and refunds, and closing a month."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.billing.credits import credit_balance
from penstock.billing.dispatch import sent_of
from penstock.billing.given import given_back, left_to_give
from penstock.billing.invoices import get_invoice, line_events, list_invoices
from penstock.billing.months import refuse_skipped
from penstock.billing.payments import list_payments, list_refunds
from penstock.billing.records import Invoice
from penstock.billing.undo import note_document
from penstock.console import render, runs
from penstock.console.admin.books import MOST_EVENTS, pdf_answer
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field, months, part
from penstock.core.errors import NotFound
from penstock.core.money import Money
from penstock.pipeline.money import (
    closing_of,
    give_credit_note,
    give_refund,
    invoice_pdf,
    month,
    take_payment,
    void_invoice,
)

MOST_INVOICES = 10_000


def index(request: Request, desk: AtDesk, period: str | None = None, state: str = "", page: int = 1) -> Response:
    """Invoices, newest first: of a month with ?period=, the unpaid ones with ?state=open."""
    chosen = months(desk, period)
    with desk.house.store.read() as tx:
        found = list_invoices(tx, period=chosen.shown.name if period else None, limit=MOST_INVOICES)
        now = tx.now
    rows = [one for one in reversed(found) if state != "open" or one.open_minor > 0]
    previous = months(desk, None).before
    facts = {
        "months": chosen,
        "by_month": period is not None,
        "state": state,
        "part": part(rows, page),
        "total": _total(rows, desk.company.currency, "total_minor"),
        "open": _total(rows, desk.company.currency, "open_minor"),
        "closable": chosen.shown if period and chosen.following else previous,
        "jobs": [job for job in runs.jobs(desk) if job.run.name == "close"],
        "failures": runs.failures(desk),
        "now": now,
    }
    return render.page(request, "invoices.html", facts)


def close(request: Request, desk: AtDesk) -> Response:
    """Start closing a month."""
    period = month(desk.house, field(form_of(request), "period"))
    with desk.house.store.read() as tx:
        refuse_skipped(tx, period, desk.company.timezone)
    runs.begin(desk, "close", closing_of(period.name, False))
    return back("/invoices", "closing")


def show(request: Request, desk: AtDesk, number: str) -> Response:
    """One invoice."""
    with desk.house.store.read() as tx:
        invoice = get_invoice(tx, number)
        given = given_back(tx, invoice)
        left = left_to_give(invoice, given).amount_minor
        facts = {
            "invoice": invoice,
            "payments": list_payments(tx, number),
            "refunds": list_refunds(tx, number),
            "amount": lambda minor: Money(minor, invoice.currency),
            "decimal": lambda minor: f"{Money(minor, invoice.currency).to_decimal():f}",
            "given": given,
            "refundable_minor": min(invoice.paid_minor - invoice.refunded_minor, left),
            "creditable_minor": left,
            "credit": credit_balance(tx, invoice.customer),
            "mail": desk.house.workspace.mail,
            "sent": sent_of(tx, number),
            "operations": tuple(tx.new_id("op") for _ in range(4)),
            "now": tx.now,
        }
    return render.page(request, "invoice.html", facts)


def pdf_file(desk: AtDesk, number: str) -> Response:
    return pdf_answer(invoice_pdf(desk.house, number), number)


def events(request: Request, desk: AtDesk, number: str, line: int, after: int = 0) -> Response:
    """The usage events behind a line, a thousand at a time."""
    with desk.house.store.read() as tx:
        invoice = get_invoice(tx, number)
        found = line_events(tx, number, line, after, MOST_EVENTS)
    shown = next((one for one in invoice.lines if one.number == line), None)
    if shown is None:
        raise NotFound(f"invoice {number} has no line {line}")
    facts = {"invoice": invoice, "line": shown, "events": found, "more": len(found) == MOST_EVENTS, "after": after}
    return render.page(request, "events.html", facts)


def pay(request: Request, desk: AtDesk, number: str) -> Response:
    form = form_of(request)
    take_payment(
        desk.house,
        number,
        amount=field(form, "amount"),
        operation=field(form, "operation"),
        method=form.get("method", "bank transfer"),
        keep_rest="keep_rest" in form,
        from_credit="from_credit" in form,
    )
    return back(f"/invoices/{number}", "paid")


def refund(request: Request, desk: AtDesk, number: str) -> Response:
    form = form_of(request)
    give_refund(
        desk.house,
        number,
        amount=field(form, "amount"),
        operation=field(form, "operation"),
        reason=field(form, "reason"),
    )
    return back(f"/invoices/{number}", "refunded")


def void(request: Request, desk: AtDesk, number: str) -> Response:
    form = form_of(request)
    void_invoice(desk.house, number, reason=field(form, "reason"), operation=field(form, "operation"))
    return back(f"/invoices/{number}", "voided")


def credit_note(request: Request, desk: AtDesk, number: str) -> Response:
    form = form_of(request)
    give_credit_note(
        desk.house,
        number,
        amount=field(form, "amount"),
        reason=field(form, "reason"),
        operation=field(form, "operation"),
        in_cash="in_cash" in form,
    )
    return back(f"/invoices/{number}", "credit-noted")


def note_pdf(desk: AtDesk, number: str, note: str) -> Response:
    """A credit note of this invoice as PDF."""
    with desk.house.store.read() as tx:
        if note not in {one.number for one in get_invoice(tx, number).notes}:
            raise NotFound(f"invoice {number} has no credit note {note!r}")
        return pdf_answer(note_document(tx, note), note, "credit-note")


def _total(rows: list[Invoice], currency: str, name: str) -> Money:
    return Money(sum(getattr(one, name) for one in rows if one.currency == currency), currency)


ROUTES = (
    Route("GET", "/invoices", index, "operator"),
    Route("POST", "/invoices", close, "operator", page=index, right="bill"),
    Route("GET", "/invoices/{number}", show, "operator"),
    Route("GET", "/invoices/{number}/pdf", pdf_file, "operator"),
    Route("GET", "/invoices/{number}/lines/{line}", events, "operator"),
    Route("POST", "/invoices/{number}/pay", pay, "operator", page=show, right="bill"),
    Route("POST", "/invoices/{number}/refund", refund, "operator", page=show, right="bill"),
    Route("POST", "/invoices/{number}/void", void, "operator", page=show, right="bill"),
    Route("POST", "/invoices/{number}/credit-note", credit_note, "operator", page=show, right="bill"),
    Route("GET", "/invoices/{number}/notes/{note}", note_pdf, "operator"),
)
