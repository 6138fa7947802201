"""Opinion monitoring: the alerts that stand, what was done about them, and each month's report."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field, months, part
from penstock.core.errors import NotFound
from penstock.evaluation.charts import themed
from penstock.identity.customers import list_customers
from penstock.pipeline.runs import drawings
from penstock.pipeline.runs.drawings import Drawing
from penstock.registry.releases import live
from penstock.tasks.opinion import alerts
from penstock.tasks.opinion import stream as jobs
from penstock.tasks.opinion.report import Month


def index(request: Request, desk: AtDesk, state: str = "", page: int = 1) -> Response:
    """Every product of this task, and all alerts, newest first; with ?state=open only those that nobody has seen."""
    products = jobs.opinion_products(desk.house)
    with desk.house.store.read() as tx:
        names = {one.id: one.name for one in list_customers(tx)}
        found = [one for product in products for one in alerts.list_alerts(tx, product, state=state or None)]
        running = {product: live(tx, product) for product in products}
    found.sort(key=lambda one: one.first, reverse=True)
    titles = {name: desk.house.workspace.products[name].title or name for name in products}
    facts = {"titles": titles, "live": running, "names": names, "part": part(found, page), "state": state}
    return render.page(request, "opinion.html", facts)


def acknowledge(request: Request, desk: AtDesk) -> Response:
    """Someone has seen it."""
    with desk.house.store.transaction() as tx:
        alerts.acknowledge(tx, field(form_of(request), "alert"), desk.who)
    return back("/opinion", "acknowledged")


def resolve(request: Request, desk: AtDesk) -> Response:
    """It is over."""
    with desk.house.store.transaction() as tx:
        alerts.resolve(tx, field(form_of(request), "alert"))
    return back("/opinion", "resolved")


def report(request: Request, desk: AtDesk, product: str, period: str | None = None, customer: str = "") -> Response:
    """What a product's documents of a month said."""
    chosen, lang = months(desk, period), render.language(request)
    facts: dict[str, Any] = {
        "name": product,
        "months": chosen,
        "customer": customer,
        "customers": _customers(desk),
        "title": desk.house.workspace.products[product].title or product if product in _known(desk) else product,
    }
    facts |= {"said": None, "why": None, "drawing": False}
    try:
        found = jobs.report(desk.house, product, chosen.shown.name, jobs.customer_id(desk.house, customer or None))
    except NotFound as error:
        if product not in _known(desk):
            raise
        return render.page(request, "opinion-report.html", {**facts, "why": error})
    try:
        said = _said(desk, found, lang)
    except Drawing:
        return render.page(request, "opinion-report.html", {**facts, "drawing": True})
    return render.page(request, "opinion-report.html", {**facts, "said": said})


def _said(desk: Desk, month: Month, lang: str) -> dict[str, Any]:
    """The report in words with its charts, drawn once for the same month's facts."""
    arguments = {"month": msgspec.to_builtins(month), "locale": lang}
    said = drawings.drawn(desk.house, "penstock.tasks.opinion.drawing", "month", arguments, dict[str, Any])
    return {**said, **{name: themed(said[name]) for name in ("volume", "tone") if said[name]}}


def _known(desk: Desk) -> list[str]:
    return jobs.opinion_products(desk.house)


def _customers(desk: Desk) -> dict[str, str]:
    with desk.house.store.read() as tx:
        return {one.id: one.name for one in list_customers(tx)}


ROUTES = (
    Route("GET", "/opinion", index, "operator"),
    Route("POST", "/opinion/acknowledge", acknowledge, "operator", page=index, right="train"),
    Route("POST", "/opinion/resolve", resolve, "operator", page=index, right="train"),
    Route("GET", "/opinion/{product}", report, "operator"),
)
