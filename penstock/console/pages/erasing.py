"""A customer's data: taken away as a file, and erased after a look at what goes and what stays."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.admin.customer_data import customer_export
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages.customers import show as customer_page
from penstock.console.pages.parts import back, field, whole_number
from penstock.core.errors import BadInput
from penstock.identity.customers import get_customer
from penstock.pipeline.privacy.customer_erasure import ERASED, YEARS_KEPT, erase, preview_erasure


def show(request: Request, desk: AtDesk, customer: str) -> Response:
    """What erasing it would do, with the form that does it; of one that was erased, the record."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
    facts = {"who": who, "said": preview_erasure(desk.house, who.id), "which": ERASED, "years": YEARS_KEPT}
    return render.page(request, "erase.html", facts)


def erase_it(request: Request, desk: AtDesk, customer: str) -> Response:
    """Erase it. The name is typed as it stands, so that no other one is meant."""
    form = form_of(request)
    years = whole_number(form, "keep_years")
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
    if field(form, "name") != who.name:
        raise BadInput("this is not the customer's name", where="name", hint="type it as it stands at the top")
    erase(
        desk.house,
        who.id,
        reason=form.get("reason", "")[:500],
        keep_years=YEARS_KEPT if years is None else years,
        leave_credit="leave_credit" in form,
    )
    return back(f"/customers/{who.id}/erase", "erased")


def export(desk: AtDesk, customer: str) -> Response:
    return customer_export(desk, customer)


ROUTES = (
    Route("GET", "/customers/{customer}/erase", show, "operator"),
    Route("POST", "/customers/{customer}/erase", erase_it, "operator", page=show, right="govern"),
    Route("POST", "/customers/{customer}/export", export, "operator", page=customer_page, right="sell"),
)
