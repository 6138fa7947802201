"""Operators with their roles, the sessions of browsers, and links that sign one in."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import Response

from penstock.console import signing_in
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.identity.operators import add_operator, list_operators, remove_operator
from penstock.identity.sessions import Session, end_session, list_sessions


def operators_list(desk: AtDesk) -> Response:
    """Who may do what here."""
    with desk.house.store.read() as tx:
        return answer(list_operators(tx))


def operator_add(desk: AtDesk, body: bodies.NewOperator) -> Response:
    """Add an operator. Its token is in this answer only."""
    with desk.house.store.transaction() as tx:
        made, text = add_operator(tx, body.name, body.role)
    return answer({"token": text, "id": made.id, "name": made.name, "role": made.role}, 201)


def operator_remove(desk: AtDesk, operator: str) -> Response:
    """Remove an operator: its token and its sessions hold no more from now on."""
    with desk.house.store.transaction() as tx:
        return answer(remove_operator(tx, operator))


def sessions_list(desk: AtDesk) -> Response:
    """The browsers that are signed in."""
    with desk.house.store.read() as tx:
        return answer([session_facts(one) for one in list_sessions(tx)])


def session_end(desk: AtDesk, session: str) -> Response:
    """End a session: its cookie holds no more from now on."""
    with desk.house.store.transaction() as tx:
        return answer(session_facts(end_session(tx, session)))


def session_facts(one: Session) -> dict[str, object]:
    """A session as the interface tells it."""
    facts = asdict(one)
    return {**facts, "who": one.who.name, "role": one.who.role}


ROUTES = (
    Route("GET", "/admin/v1/operators", operators_list, "admin"),
    Route("POST", "/admin/v1/operators", operator_add, "admin", 201, right="govern"),
    Route("POST", "/admin/v1/operators/{operator}/remove", operator_remove, "admin", right="govern"),
    Route("GET", "/admin/v1/sessions", sessions_list, "admin"),
    Route("POST", "/admin/v1/sessions/{session}/end", session_end, "admin", right="govern"),
    Route("POST", "/admin/v1/sign-in-links", signing_in.link, "admin", 201, right="look"),
)
