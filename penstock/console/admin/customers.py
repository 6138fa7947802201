"""Verbs of selling: customers, keys, credit and limits."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from penstock.billing import accrual, credits, limits
from penstock.billing.taxes import customer_rates, now_in_force, set_customer_rate
from penstock.billing.terms import checked_terms, set_terms
from penstock.channels.attribution import attribute
from penstock.channels.reviews import review_of
from penstock.console.admin import bodies
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.wire import answer
from penstock.core.money import exact_money
from penstock.identity.customers import (
    add_customer,
    get_customer,
    list_customers,
    set_training_consent,
)
from penstock.identity.keys import create_key, get_key, list_keys, revoke_key
from penstock.pipeline.customers import archive, edit, preview_archive, sheet, unarchive
from penstock.pipeline.keys import replace_key


def customers_list(desk: AtDesk, archived: bool = False) -> Response:
    """Every customer that is not archived; with ?archived=true those too."""
    with desk.house.store.read() as tx:
        return answer(list_customers(tx, archived=archived))


def customer_add(desk: AtDesk, body: bodies.NewCustomer) -> Response:
    """Sign a customer up; `review` says why the partner's code is held for review, if it is."""
    facts = body.model_dump(exclude={"ref"})
    with desk.house.store.transaction() as tx:
        made = add_customer(tx, **facts)
        if body.ref is not None:
            attribute(tx, made.id, body.ref)
        review = review_of(tx, made.id)
    return answer({**vars(made), "review": review}, 201)


def customer_show(desk: AtDesk, customer: str) -> Response:
    """One customer, by id, name or e-mail, with its terms, plan, keys, limits, credit, open invoices and partner."""
    with desk.house.store.read() as tx:
        known = sheet(tx, customer)
    return answer({**vars(known.customer), **vars(known), "customer": known.customer.id})


def customer_edit(desk: AtDesk, customer: str, body: bodies.CustomerChanges) -> Response:
    """Change what is known of a customer; says before and after. Issued invoices keep what they say."""
    changes = body.model_dump(exclude={"allow_similar"}, exclude_none=True)
    with desk.house.store.transaction() as tx:
        before, after = edit(tx, customer, changes, allow_similar=body.allow_similar)
    return answer({"id": after.id, "before": before, "after": after})


def customer_archive(desk: AtDesk, customer: str, body: bodies.Archive) -> Response:
    """End a customer's keys and plan and hide it from lists; refused while something is open unless forced."""
    with desk.house.store.transaction() as tx:
        said = preview_archive(tx, customer) if body.dry_run else archive(tx, customer, force=body.force)
    return answer(said)


def customer_unarchive(desk: AtDesk, customer: str) -> Response:
    """Let an archived customer buy again. Its keys stay revoked and its plan ended."""
    with desk.house.store.transaction() as tx:
        return answer(unarchive(tx, customer))


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
            access=body.access,
            manages_keys=body.manages_keys,
        )
    return answer({"key": text, "id": key.id, "customer": key.customer, "expires_at": key.expires_at}, 201)


def key_rotate(desk: AtDesk, key: str, body: bodies.Rotation) -> Response:
    """Make a key that replaces this one, which goes on working for overlap_hours. Its text is in this answer only."""
    with desk.house.store.transaction() as tx:
        made, text = replace_key(tx, key, timedelta(hours=body.overlap_hours))
        old = get_key(tx, key)
    return answer({"key": text, "id": made.id, "replaces": old.id, "old_expires_at": old.expires_at}, 201)


def key_revoke(desk: AtDesk, key: str) -> Response:
    """Revoke a key: every gateway refuses it within a second."""
    with desk.house.store.transaction() as tx:
        revoked = revoke_key(tx, key)
    return answer(revoked)


def credit_add(desk: AtDesk, body: bodies.NewCredit) -> Response:
    """Record money received in advance. How the customer pays stays as it is."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, body.customer)
        added = exact_money(body.amount, desk.company.currency)
        balance = credits.add_credit(tx, who.id, added, body.operation or tx.new_id("op"))
    return answer({"customer": who.id, "added": added, "balance": balance}, 201)


def credit_balance(desk: AtDesk, customer: str) -> Response:
    """A customer's terms and credit, what it owes, and what is left to spend."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, customer)
        now = accrual.standing_of(tx, who.id, desk.company)
        return answer({"customer": who.id, "balance": now.left, **vars(now)})


def terms_set(desk: AtDesk, customer: str, body: bodies.PaymentTerms) -> Response:
    """Set how a customer pays, prepaid or by invoice: gateways follow within a second. Returns how it stands then."""
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, customer)
        set_terms(tx, who.id, checked_terms(body.terms))
        return answer({"customer": who.id, **vars(accrual.standing_of(tx, who.id, desk.company))})


def tax_show(desk: AtDesk, customer: str) -> Response:
    """The customer's tax rate this month, and the versions that it has of its own."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
        return answer({"customer": who.id, "now": now_in_force(tx, who.id), "own": customer_rates(tx, who.id)})


def tax_set(desk: AtDesk, customer: str, body: bodies.OwnTax) -> Response:
    """Give a customer a tax rate of its own from a month on, for a reason. Invoiced months keep their rate."""
    with desk.house.store.transaction() as tx:
        facts = {"start": body.start, "reason": body.reason, "timezone": desk.company.timezone}
        return answer(set_customer_rate(tx, customer, body.rate, **facts))


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
    Route("POST", "/admin/v1/customers", customer_add, "admin", 201, right="sell"),
    Route("GET", "/admin/v1/customers/{customer}", customer_show, "admin"),
    Route("PATCH", "/admin/v1/customers/{customer}", customer_edit, "admin", right="sell"),
    Route("POST", "/admin/v1/customers/{customer}/archive", customer_archive, "admin", right="sell"),
    Route("POST", "/admin/v1/customers/{customer}/unarchive", customer_unarchive, "admin", right="sell"),
    Route("PUT", "/admin/v1/customers/{customer}/consent", customer_consent, "admin", right="sell"),
    Route("GET", "/admin/v1/customers/{customer}/credit", credit_balance, "admin"),
    Route("PUT", "/admin/v1/customers/{customer}/terms", terms_set, "admin", right="bill"),
    Route("GET", "/admin/v1/customers/{customer}/tax", tax_show, "admin"),
    Route("PUT", "/admin/v1/customers/{customer}/tax", tax_set, "admin", right="bill"),
    Route("GET", "/admin/v1/customers/{customer}/limits", limits_list, "admin"),
    Route("GET", "/admin/v1/keys", keys_list, "admin"),
    Route("POST", "/admin/v1/keys", key_create, "admin", 201, right="sell"),
    Route("POST", "/admin/v1/keys/{key}/rotate", key_rotate, "admin", 201, right="sell"),
    Route("POST", "/admin/v1/keys/{key}/revoke", key_revoke, "admin", right="sell"),
    Route("POST", "/admin/v1/credits", credit_add, "admin", 201, right="bill"),
    Route("PUT", "/admin/v1/limits", limit_set, "admin", right="sell"),
)
