"""Verbs of selling: customers, keys, subscriptions, credit and limits."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from penstock.billing import credits, limits
from penstock.billing.catalogue import list_subscriptions, subscribe, unsubscribe
from penstock.channels.attribution import attribute
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.core.money import money
from penstock.identity.customers import add_customer, get_customer, list_customers, set_training_consent
from penstock.identity.keys import create_key, list_keys, revoke_key


def customers_list(desk: AtDesk) -> Response:
    """Every customer."""
    with desk.house.store.read() as tx:
        return answer(list_customers(tx))


def customer_add(desk: AtDesk, body: bodies.NewCustomer) -> Response:
    """Sign a customer up."""
    facts = body.model_dump(exclude={"ref"})
    with desk.house.store.transaction() as tx:
        made = add_customer(tx, **facts)
        if body.ref is not None:
            attribute(tx, made.id, body.ref)
    return answer(made, 201)


def customer_show(desk: AtDesk, customer: str) -> Response:
    """One customer, by id, name or e-mail."""
    with desk.house.store.read() as tx:
        return answer(get_customer(tx, customer))


def customer_consent(desk: AtDesk, customer: str, body: bodies.Consent) -> Response:
    """Record that a customer gives or withdraws consent to train on its corrections."""
    with desk.house.store.transaction() as tx:
        changed = set_training_consent(tx, get_customer(tx, customer).id, body.training)
    return answer(changed)


def keys_list(desk: AtDesk, customer: str | None = None) -> Response:
    """Every key: never its secret."""
    with desk.house.store.read() as tx:
        return answer(list_keys(tx, customer))


def key_create(desk: AtDesk, body: bodies.NewKey) -> Response:
    """Make a key. Its text is in this answer only."""
    with desk.house.store.transaction() as tx:
        key, text = create_key(
            tx,
            customer=body.customer,
            name=body.name,
            products=body.products,
            requests_per_minute=body.requests_per_minute,
            expires_at=None if body.days is None else tx.now + timedelta(days=body.days),
        )
    return answer({"key": text, "id": key.id, "customer": key.customer, "expires_at": key.expires_at}, 201)


def key_revoke(desk: AtDesk, key: str) -> Response:
    """Revoke a key: every gateway refuses it within a second."""
    with desk.house.store.transaction() as tx:
        revoked = revoke_key(tx, key)
    return answer(revoked)


def subscriptions_list(desk: AtDesk, customer: str | None = None) -> Response:
    """Every subscription, or a customer's."""
    with desk.house.store.read() as tx:
        return answer(list_subscriptions(tx, None if customer is None else get_customer(tx, customer).id))


def subscription_start(desk: AtDesk, body: bodies.NewSubscription) -> Response:
    """Put a customer on a plan from now on."""
    with desk.house.store.transaction() as tx:
        made = subscribe(tx, get_customer(tx, body.customer).id, body.plan)
    return answer(made, 201)


def subscription_end(desk: AtDesk, body: bodies.Whom) -> Response:
    """End a customer's plan now; what it was is still billed."""
    with desk.house.store.transaction() as tx:
        ended = unsubscribe(tx, get_customer(tx, body.customer).id)
    return answer(ended)


def credit_add(desk: AtDesk, body: bodies.NewCredit) -> Response:
    """Record prepaid money received."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, body.customer)
        added = money(body.amount, desk.company.currency)
        balance = credits.add_credit(tx, who.id, added, body.operation or tx.new_id("op"))
    return answer({"customer": who.id, "added": added, "balance": balance}, 201)


def credit_balance(desk: AtDesk, customer: str) -> Response:
    """The prepaid money left."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
        return answer({"customer": who.id, "balance": credits.credit_balance(tx, who.id)})


def limit_set(desk: AtDesk, body: bodies.NewLimit) -> Response:
    """Cap the units of a product that a customer can use in a month, or lift the cap."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, body.customer)
        limits.set_limit(tx, who.id, body.product, body.units)
        return answer({"customer": who.id, "limits": limits.list_limits(tx, who.id)})


def limits_list(desk: AtDesk, customer: str) -> Response:
    """A customer's caps by product."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
        return answer({"customer": who.id, "limits": limits.list_limits(tx, who.id)})


ROUTES = (
    Route("GET", "/admin/v1/customers", customers_list, "admin"),
    Route("POST", "/admin/v1/customers", customer_add, "admin", 201),
    Route("GET", "/admin/v1/customers/{customer}", customer_show, "admin"),
    Route("PUT", "/admin/v1/customers/{customer}/consent", customer_consent, "admin"),
    Route("GET", "/admin/v1/customers/{customer}/credit", credit_balance, "admin"),
    Route("GET", "/admin/v1/customers/{customer}/limits", limits_list, "admin"),
    Route("GET", "/admin/v1/keys", keys_list, "admin"),
    Route("POST", "/admin/v1/keys", key_create, "admin", 201),
    Route("POST", "/admin/v1/keys/{key}/revoke", key_revoke, "admin"),
    Route("GET", "/admin/v1/subscriptions", subscriptions_list, "admin"),
    Route("POST", "/admin/v1/subscriptions", subscription_start, "admin", 201),
    Route("POST", "/admin/v1/subscriptions/end", subscription_end, "admin"),
    Route("POST", "/admin/v1/credits", credit_add, "admin", 201),
    Route("PUT", "/admin/v1/limits", limit_set, "admin"),
)
