"""Verbs of the money: closing a month, invoices, payments, refunds, the ledger."""

from __future__ import annotations

from itertools import islice

from starlette.responses import Response

from penstock.billing import ledger
from penstock.billing.invoices import get_invoice, line_events, list_invoices, note_json, to_json
from penstock.billing.months import refuse_skipped
from penstock.billing.payments import list_payments, list_refunds
from penstock.billing.undo import note_document
from penstock.billing.verification import quarantined, verify_all
from penstock.console import runs
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.pipeline.invoice_mail import send_invoice
from penstock.pipeline.money import (
    closing_of,
    give_credit_note,
    give_refund,
    invoice_pdf,
    month,
    preview_facts,
    preview_month,
    resume,
    take_back_payment,
    take_payment,
    void_invoice,
)

MOST_EVENTS = 1_000
MAX_PREVIEWED = 1_000  # of a preview: each is made and rolled back


def bill_close(desk: AtDesk, body: bodies.Closing) -> Response:
    """Start closing a month; answers the run's id at once. Closing again changes nothing. 409 while an earlier month
    was never closed, unless catch_up is true: then those are closed first."""
    period = month(desk.house, body.period)
    if not body.catch_up:
        with desk.house.store.read() as tx:
            refuse_skipped(tx, period, desk.company.timezone)
    run = runs.begin(desk, "close", closing_of(period.name, body.catch_up))
    response = answer({"id": run.id, "name": run.name, "arguments": run.arguments, "begun_at": run.begun_at}, 202)
    response.headers["Location"] = f"/admin/v1/jobs/{run.id}"
    return response


def bill_preview(desk: AtDesk, period: str | None = None, customer: str | None = None) -> Response:
    """What closing a month (default: this one) now would ask of each customer, or of one. Nothing is issued."""
    return answer(preview_facts(islice(preview_month(desk.house, period, customer), MAX_PREVIEWED)))


def invoice_send(desk: AtDesk, number: str, body: bodies.Sending) -> Response:
    """Mail an invoice with its PDF. 409 when it was sent before, unless `again` is true."""
    return answer(send_invoice(desk.house, number, to=body.to, again=body.again), 201)


def bill_aside(desk: AtDesk) -> Response:
    """The customers put aside because they could not be invoiced, and why."""
    with desk.house.store.read() as tx:
        return answer(quarantined(tx))


def bill_resume(desk: AtDesk, body: bodies.Resuming) -> Response:
    """Bill a customer again that was put aside; `close` names the months to close for it."""
    aside, months = resume(desk.house, body.customer)
    return answer({"customer": aside.customer, "name": aside.name, "was": aside.reason, "close": months})


def invoices_list(desk: AtDesk, customer: str | None = None, period: str | None = None, after: str = "") -> Response:
    """Invoices by number, at most 1,000 at once: send the last one's number as ?after= for more."""
    with desk.house.store.read() as tx:
        whose = None if customer is None else get_customer(tx, customer).id
        found = list_invoices(tx, customer=whose, period=period, after=after, limit=1_000)
    return answer([to_json(one) for one in found])


def invoice_show(desk: AtDesk, number: str) -> Response:
    """One invoice with its lines."""
    with desk.house.store.read() as tx:
        return answer(to_json(get_invoice(tx, number)))


def invoice_pdf_file(desk: AtDesk, number: str) -> Response:
    """The invoice as PDF."""
    return pdf_answer(invoice_pdf(desk.house, number), number)


def invoice_events(desk: AtDesk, number: str, line: int, after: int = 0) -> Response:
    """The usage events behind a line, at most 1,000 at once: send the last one's seq as ?after= for more."""
    with desk.house.store.read() as tx:
        return answer(list(line_events(tx, number, line, after, MOST_EVENTS)))


def invoice_pay(desk: AtDesk, number: str, body: bodies.NewPayment) -> Response:
    """Record a payment received, or take credit for it; and the commission it earns a partner."""
    made = take_payment(desk.house, number, **body.model_dump())
    return answer(made.facts, 201)


def invoice_refund(desk: AtDesk, number: str, body: bodies.NewRefund) -> Response:
    """Record money given back, and take back the commission on it."""
    return answer(give_refund(desk.house, number, **body.model_dump()), 201)


def invoice_payments(desk: AtDesk, number: str) -> Response:
    """The payments and refunds of an invoice, with the operation ids they were recorded under."""
    with desk.house.store.read() as tx:
        get_invoice(tx, number)
        return answer({"payments": list_payments(tx, number), "refunds": list_refunds(tx, number)})


def payment_cancel(desk: AtDesk, body: bodies.CancelledPayment) -> Response:
    """Take back a payment that was recorded but did not arrive; its commission goes with it."""
    return answer(take_back_payment(desk.house, body.payment_operation, operation=body.operation), 201)


def invoice_void(desk: AtDesk, number: str, body: bodies.NewVoid) -> Response:
    """Take back an invoice of which nothing is paid. It keeps its number; its month can be closed again."""
    return answer(void_invoice(desk.house, number, **body.model_dump()), 201)


def invoice_credit_note(desk: AtDesk, number: str, body: bodies.NewCreditNote) -> Response:
    """Credit an invoice by a numbered note: it reduces what is open; what is more was paid, and goes back."""
    return answer(note_json(give_credit_note(desk.house, number, **body.model_dump())), 201)


def credit_note_pdf(desk: AtDesk, number: str) -> Response:
    """The credit note as PDF."""
    with desk.house.store.read() as tx:
        return pdf_answer(note_document(tx, number), number, "credit-note")


def ledger_verify(desk: AtDesk) -> Response:
    """Check the database itself and every invariant of the books."""
    problems = verify_all(desk.house.store)
    return answer({"sound": not problems, "problems": problems})


def ledger_balances(desk: AtDesk) -> Response:
    """The balance of every account: debit positive, credit negative."""
    with desk.house.store.read() as tx:
        found = ledger.balances(tx)
    return answer([{"account": one.account, "balance": Money(one.amount_minor, one.currency)} for one in found])


def pdf_answer(content: bytes, number: str, what: str = "invoice") -> Response:
    """A document's PDF, named after it."""
    headers = {"Content-Disposition": f'inline; filename="{what}-{number}.pdf"'}
    return Response(content, headers=headers, media_type="application/pdf")


ROUTES = (
    Route("POST", "/admin/v1/bill/close", bill_close, "admin", 202, right="bill"),
    Route("GET", "/admin/v1/bill/preview", bill_preview, "admin"),
    Route("GET", "/admin/v1/bill/aside", bill_aside, "admin"),
    Route("POST", "/admin/v1/bill/resume", bill_resume, "admin", right="bill"),
    Route("GET", "/admin/v1/invoices", invoices_list, "admin"),
    Route("GET", "/admin/v1/invoices/{number}", invoice_show, "admin"),
    Route("GET", "/admin/v1/invoices/{number}/pdf", invoice_pdf_file, "admin"),
    Route("GET", "/admin/v1/invoices/{number}/lines/{line}/events", invoice_events, "admin"),
    Route("GET", "/admin/v1/invoices/{number}/payments", invoice_payments, "admin"),
    Route("POST", "/admin/v1/payments/cancel", payment_cancel, "admin", 201, right="bill"),
    Route("POST", "/admin/v1/invoices/{number}/payments", invoice_pay, "admin", 201, right="bill"),
    Route("POST", "/admin/v1/invoices/{number}/refunds", invoice_refund, "admin", 201, right="bill"),
    Route("POST", "/admin/v1/invoices/{number}/send", invoice_send, "admin", 201, right="bill"),
    Route("POST", "/admin/v1/invoices/{number}/void", invoice_void, "admin", 201, right="bill"),
    Route("POST", "/admin/v1/invoices/{number}/credit-notes", invoice_credit_note, "admin", 201, right="bill"),
    Route("GET", "/admin/v1/credit-notes/{number}/pdf", credit_note_pdf, "admin"),
    Route("GET", "/admin/v1/ledger/verify", ledger_verify, "admin"),
    Route("GET", "/admin/v1/ledger/balances", ledger_balances, "admin"),
)
