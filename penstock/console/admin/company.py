"""Verbs about the whole: the overview, feedback, and the description of this interface."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.analytics.overview import overview
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.jobs.money import month
from penstock.monitoring.feedback import list_feedback


def overview_show(desk: AtDesk, period: str | None = None) -> Response:
    """Products, customers and money of a month (default: this one)."""
    chosen = month(desk.house, period)
    with desk.house.store.read() as tx:
        return answer(overview(tx, desk.house.workspace, chosen))


def feedback_list(desk: AtDesk, product: str | None = None) -> Response:
    """Everything that customers said of answers, newest first."""
    with desk.house.store.read() as tx:
        return answer(list_feedback(tx, product))


def openapi(request: Request) -> Response:
    """This interface in OpenAPI's words."""
    return answer(request.app.openapi())


ROUTES = (
    Route("GET", "/admin/v1/overview", overview_show, "admin"),
    Route("GET", "/admin/v1/feedback", feedback_list, "admin"),
    Route("GET", "/admin/v1/openapi.json", openapi, "admin"),
)
