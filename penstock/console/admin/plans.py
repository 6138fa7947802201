"""Verbs of plans: who is on which, and what starting or ending one does. The answer says what holds from when."""

from __future__ import annotations

from starlette.responses import Response

from penstock.billing.catalogue import list_subscriptions, subscribe, unsubscribe
from penstock.billing.plan_changes import preview_end, preview_start
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.identity.customers import get_customer


def subscriptions_list(desk: AtDesk, customer: str | None = None) -> Response:
    """Every subscription, or a customer's."""
    with desk.house.store.read() as tx:
        return answer(list_subscriptions(tx, None if customer is None else get_customer(tx, customer).id))


def subscription_start(desk: AtDesk, body: bodies.NewSubscription) -> Response:
    """Put a customer on a plan; `change` says what holds from when and what is due. dry_run: only that."""
    with desk.house.store.transaction() as tx:
        change = preview_start(tx, body.customer, body.plan)
        if body.dry_run:
            return answer({"change": change})
        made = subscribe(tx, change.customer, body.plan)
    return answer({**vars(made), "change": change}, 201)


def subscription_end(desk: AtDesk, body: bodies.EndedSubscription) -> Response:
    """End a customer's plan; `change` says until when it holds and what is due. dry_run: only that."""
    with desk.house.store.transaction() as tx:
        change = preview_end(tx, body.customer)
        if body.dry_run:
            return answer({"change": change})
        ended = unsubscribe(tx, change.customer)
    return answer({**vars(ended), "change": change})


ROUTES = (
    Route("GET", "/admin/v1/subscriptions", subscriptions_list, "admin"),
    Route("POST", "/admin/v1/subscriptions", subscription_start, "admin", 201, right="sell"),
    Route("POST", "/admin/v1/subscriptions/end", subscription_end, "admin", right="sell"),
)
