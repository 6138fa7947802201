"""Operators: who may do what here, which browsers are signed in, and ending both."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import render
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field
from penstock.identity.operators import ROLES, add_operator, list_operators, remove_operator
from penstock.identity.sessions import end_session, list_sessions


def show(request: Request, desk: AtDesk) -> Response:
    """All operators, and the sessions that go on."""
    return _page(request, desk)


def add(request: Request, desk: AtDesk) -> Response:
    """Add an operator and show its token: the one time it can be shown."""
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        _, text = add_operator(tx, field(form, "name"), field(form, "role"))
    return _page(request, desk, new_token=text)


def remove(request: Request, desk: AtDesk) -> Response:
    with desk.house.store.transaction() as tx:
        remove_operator(tx, field(form_of(request), "operator"))
    return back("/operators", "operator-removed")


def end(request: Request, desk: AtDesk) -> Response:
    with desk.house.store.transaction() as tx:
        end_session(tx, field(form_of(request), "session"))
    return back("/operators", "session-ended")


def _page(request: Request, desk: Desk, *, new_token: str = "") -> Response:
    with desk.house.store.read() as tx:
        facts = {"operators": list_operators(tx), "sessions": list_sessions(tx), "roles": ROLES}
    return render.page(request, "operators.html", {**facts, "new_token": new_token, "mine": request.state.session.id})


ROUTES = (
    Route("GET", "/operators", show, "operator"),
    Route("POST", "/operators", add, "operator", page=show, right="govern"),
    Route("POST", "/operators/remove", remove, "operator", page=show, right="govern"),
    Route("POST", "/operators/end-session", end, "operator", page=show, right="govern"),
)
