"""Verbs about the whole: the overview, feedback, and the description of this interface."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.analytics.overview import overview
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.monitoring.review import Verdict, state_counts
from penstock.pipeline.feedback_pages import decide_page, said_page
from penstock.pipeline.money import month


def overview_show(desk: AtDesk, period: str | None = None) -> Response:
    """Products, customers and money of a month (default: this one)."""
    chosen = month(desk.house, period)
    with desk.house.store.read() as tx:
        return answer(overview(tx, desk.house.workspace, chosen))


def feedback_list(
    desk: AtDesk,
    product: str | None = None,
    state: str | None = None,
    customer: str | None = None,
    limit: int = 200,
    after: str | None = None,
) -> Response:
    """What customers said of answers, with message, answer and correction, newest first. after: the last id of the
    page before."""
    states = [state] if state else []
    with desk.house.store.read() as tx:
        found = said_page(desk.house, tx, product, customer=customer, states=states, limit=limit, after=after)
        return answer(found)


def feedback_counts(desk: AtDesk) -> Response:
    """Per product, how many pieces of feedback are in each state."""
    with desk.house.store.read() as tx:
        return answer(state_counts(tx))


def feedback_accept(desk: AtDesk, body: bodies.WhichFeedback) -> Response:
    """Accept corrections by id, or all of a customer's that wait."""
    return _decided(desk, "accepted", body)


def feedback_reject(desk: AtDesk, body: bodies.WhichFeedback) -> Response:
    """Reject corrections by id, or all of a customer's that wait: no retraining learns from them."""
    return _decided(desk, "rejected", body)


def _decided(desk: AtDesk, verdict: Verdict, body: bodies.WhichFeedback) -> Response:
    with desk.house.store.transaction() as tx:
        done = decide_page(tx, verdict, ids=body.ids, customer=body.customer, product=body.product, reason=body.reason)
    return answer({"verdict": verdict, "ids": done})


def openapi(request: Request) -> Response:
    """This interface in OpenAPI's words."""
    return answer(request.app.openapi())


ROUTES = (
    Route("GET", "/admin/v1/overview", overview_show, "admin"),
    Route("GET", "/admin/v1/feedback", feedback_list, "admin"),
    Route("GET", "/admin/v1/feedback/counts", feedback_counts, "admin"),
    Route("POST", "/admin/v1/feedback/accept", feedback_accept, "admin", right="train"),
    Route("POST", "/admin/v1/feedback/reject", feedback_reject, "admin", right="train"),
    Route("GET", "/admin/v1/openapi.json", openapi, "admin"),
)
