"""Verbs of limits: in money, of customers and of keys, and requests at once."""

from __future__ import annotations

from starlette.responses import Response

from penstock.billing.limit_states import limit_states, warnings_of
from penstock.billing.spending import set_spend_limit
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.core.clock import period_at
from penstock.core.money import Money, exact_money
from penstock.identity.customers import get_customer
from penstock.serving.limits import set_key_limit


def spend_limit_set(desk: AtDesk, customer: str, body: bodies.SpendLimit) -> Response:
    """Cap what a customer's use may come to in a month, whatever the product, or lift the cap."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, customer)
        limit = None if body.amount is None else exact_money(body.amount, desk.company.currency)
        set_spend_limit(tx, who.id, limit)
        return answer({"customer": who.id, "amount": limit})


def spending(desk: AtDesk, customer: str) -> Response:
    """A customer's limits this month, with what is used of each, and the warnings given."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, customer)
        period = period_at(tx.shared_now, desk.company.timezone).name
        states = [{**vars(one), "percent": one.percent} for one in limit_states(tx, who.id, desk.company)]
        return answer({"customer": who.id, "limits": states, "warnings": warnings_of(tx, who.id, period)})


def key_limit_set(desk: AtDesk, key: str, body: bodies.KeyLimits) -> Response:
    """Set both limits of a key: requests at once, and money a month; null lifts one."""
    money: Money | None = None if body.money is None else exact_money(body.money, desk.company.currency)
    with desk.house.store.transaction() as tx:
        minor = None if money is None else money.amount_minor
        set_key_limit(tx, key, concurrency=body.concurrency, amount_minor=minor)
    return answer({"key": key, "concurrency": body.concurrency, "money": money})


ROUTES = (
    Route("GET", "/admin/v1/customers/{customer}/spending", spending, "admin"),
    Route("PUT", "/admin/v1/customers/{customer}/spend-limit", spend_limit_set, "admin", right="sell"),
    Route("PUT", "/admin/v1/keys/{key}/limits", key_limit_set, "admin", right="sell"),
)
