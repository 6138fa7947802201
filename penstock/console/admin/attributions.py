"""Verbs of attributions: which are held for review, and what a person says of them."""

from __future__ import annotations

from starlette.responses import Response

from penstock.channels.attribution import list_attributions
from penstock.channels.commissions import reject
from penstock.channels.reviews import clear, list_reviews, look_at_all
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer


def attributions_list(desk: AtDesk, held: bool = False) -> Response:
    """Who brought which customer, with its review if it is or was held; ?held=true: only what waits for a decision."""
    with desk.house.store.read() as tx:
        reviews = {one.customer: one for one in list_reviews(tx, state="held" if held else None)}
        found = [one for one in list_attributions(tx) if not held or one.customer in reviews]
    return answer([{**vars(one), "review": reviews.get(one.customer)} for one in found])


def attribution_clear(desk: AtDesk, customer: str, body: bodies.Decision) -> Response:
    """Say that a held attribution is honest: what it earned is payable."""
    with desk.house.store.transaction() as tx:
        return answer(clear(tx, customer, body.reason))


def attribution_reject(desk: AtDesk, customer: str, body: bodies.Decision) -> Response:
    """Say that a held attribution is not honest: its commissions are taken back, and it earns no more."""
    with desk.house.store.transaction() as tx:
        return answer(reject(tx, customer, body.reason))


def attributions_check(desk: AtDesk) -> Response:
    """Look at every attribution again; returns what is held."""
    with desk.house.store.transaction() as tx:
        return answer(look_at_all(tx))


ROUTES = (
    Route("GET", "/admin/v1/attributions", attributions_list, "admin"),
    Route("POST", "/admin/v1/attributions/check", attributions_check, "admin", right="sell"),
    Route("POST", "/admin/v1/attributions/{customer}/clear", attribution_clear, "admin", right="bill"),
    Route("POST", "/admin/v1/attributions/{customer}/reject", attribution_reject, "admin", right="bill"),
)
