"""A month before it is closed: what it would ask of each customer, each with a draft; and mailing an invoice."""

from __future__ import annotations

from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from penstock.billing.records import Invoice
from penstock.console import render
from penstock.console.admin.books import MAX_PREVIEWED, pdf_answer
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages import invoices
from penstock.console.pages.parts import back, months
from penstock.core.errors import NotFound
from penstock.core.money import Money
from penstock.pipeline.invoice_mail import send_invoice
from penstock.pipeline.money import draft_pdf, preview_month


def index(request: Request, desk: AtDesk, period: str | None = None) -> Response:
    """What closing the month of ?period= (default: this one) now would ask."""
    chosen = months(desk, period)
    found = list(islice(preview_month(desk.house, chosen.shown.name), MAX_PREVIEWED))
    drafts = [one for one in found if isinstance(one, Invoice)]
    facts = {
        "months": chosen,
        "drafts": drafts,
        "aside": [one for one in found if not isinstance(one, Invoice)],
        "total": Money(sum(one.total_minor for one in drafts), desk.company.currency),
        "minor": Money,
    }
    return render.page(request, "preview.html", facts)


def draft(desk: AtDesk, customer: str, period: str) -> Response:
    """One customer's draft as PDF."""
    for one in preview_month(desk.house, period, customer):
        if isinstance(one, Invoice):
            return pdf_answer(draft_pdf(desk.house, one), period, "draft")
    raise NotFound(f"{customer} cannot be invoiced for {period}")


def send(request: Request, desk: AtDesk, number: str) -> Response:
    """Mail an invoice with its PDF."""
    form = form_of(request)
    send_invoice(desk.house, number, to=form.get("to"), again="again" in form)
    return back(f"/invoices/{number}", "mailed")


ROUTES = (
    Route("GET", "/preview", index, "operator"),
    Route("GET", "/preview/{customer}/pdf", draft, "operator"),
    Route("POST", "/invoices/{number}/send", send, "operator", page=invoices.show, right="bill"),
)
