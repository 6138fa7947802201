"""Feedback: what customers said of answers, and what may be trained on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.pages.parts import part
from penstock.identity.customers import list_customers
from penstock.monitoring.feedback import list_feedback, unusable_corrections, usable_corrections


def show(request: Request, desk: AtDesk, product: str = "", page: int = 1) -> Response:
    """All feedback, or a product's, newest first."""
    with desk.house.store.read() as tx:
        found = list_feedback(tx, product or None)
        names = {one.id: one.name for one in list_customers(tx)}
        products = sorted(desk.house.workspace.products)
        wanted = [product] if product else products
        usable = {one.feedback_id for name in wanted for one in usable_corrections(tx, name)}
        unusable = {one.feedback_id: one.reason for name in wanted for one in unusable_corrections(tx, name)}
    facts = {
        "part": part(found, page),
        "names": names,
        "product": product,
        "products": products,
        "usable": usable,
        "unusable": unusable,
    }
    return render.page(request, "feedback.html", facts)


ROUTES = (Route("GET", "/feedback", show, "operator"),)
