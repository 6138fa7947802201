"""Customers: who they are, what they used and owe, their keys, credit, plan, limits and consent."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from penstock.analytics.overview import overview
from penstock.billing import credits, limits
from penstock.billing.accrual import standing_of
from penstock.billing.catalogue import open_subscription, priced_products, subscribe, unsubscribe
from penstock.billing.invoices import list_invoices
from penstock.billing.limit_states import limit_states
from penstock.billing.plan_changes import preview_end, preview_start
from penstock.billing.spending import set_spend_limit
from penstock.billing.taxes import customer_rates, now_in_force, set_customer_rate
from penstock.billing.terms import checked_terms, set_terms
from penstock.channels.attribution import attribute, attribution_of
from penstock.channels.partners import get_partner
from penstock.channels.reviews import review_of
from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route, form_of
from penstock.console.pages.parts import back, field, months, part, whole_number
from penstock.core.clock import period_at
from penstock.core.errors import NotFound
from penstock.core.money import exact_money
from penstock.identity.customers import (
    LOCALES,
    add_customer,
    consent_history,
    get_customer,
    set_training_consent,
)
from penstock.identity.keys import ACCESSES, create_key, list_keys, revoke_key
from penstock.pipeline.customers import archive, preview_archive, unarchive
from penstock.pipeline.customers import edit as edit_it
from penstock.pipeline.keys import replace_key

MAX_HOURS = 10_000  # beyond any overlap that is allowed


def index(
    request: Request, desk: AtDesk, period: str | None = None, q: str = "", page: int = 1, archived: str = ""
) -> Response:
    """All customers with their month, those that match `q` by name or e-mail; archived ones too if asked for."""
    chosen = months(desk, period)
    with desk.house.store.read() as tx:
        found = overview(tx, desk.house.workspace, chosen.shown).customers
    wanted = q.strip().casefold()
    shown = [one for one in found if archived or not one.archived]
    rows = [one for one in shown if wanted in one.name.casefold() or wanted in one.email.casefold()]
    facts = {"months": chosen, "part": part(rows, page), "q": q, "locales": LOCALES, "archived": archived}
    return render.page(request, "customers.html", facts)


def add(request: Request, desk: AtDesk) -> Response:
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        made = add_customer(
            tx,
            name=field(form, "name"),
            email=field(form, "email"),
            locale=form.get("locale", "en"),
            address=form.get("address", ""),
            tax_id=form.get("tax_id", ""),
            training_consent="training_consent" in form,
            allow_similar="allow_similar" in form,
        )
        if "ref" in form:
            attribute(tx, made.id, form["ref"])
    return back(f"/customers/{made.id}", "added")


def show(request: Request, desk: AtDesk, customer: str) -> Response:
    """One customer."""
    return _page(request, desk, customer)


def key(request: Request, desk: AtDesk, customer: str) -> Response:
    """Make a key and show its text: the one time it can be shown."""
    form = form_of(request)
    days = whole_number(form, "days")
    with desk.house.store.transaction() as tx:
        _, text = create_key(
            tx,
            customer=get_customer(tx, customer).id,
            name=form.get("name", "default"),
            products=[form["product"]] if "product" in form else None,
            requests_per_minute=whole_number(form, "requests_per_minute"),
            expires_at=None if days is None else tx.now + timedelta(days=days),
            access=form.get("access", "full"),
            manages_keys="manages_keys" in form,
        )
    return _page(request, desk, customer, new_key=text)


def rotate(request: Request, desk: AtDesk, customer: str) -> Response:
    """Replace a key and show the new one's text: the one time it can be shown."""
    form = form_of(request)
    chosen, hours = field(form, "key"), whole_number(form, "hours") or 0
    with desk.house.store.transaction() as tx:
        if chosen not in {one.id for one in list_keys(tx, customer)}:
            raise NotFound(f"this customer has no key {chosen!r}")
        _, text = replace_key(tx, chosen, timedelta(hours=min(hours, MAX_HOURS)))
    return _page(request, desk, customer, new_key=text)


def revoke(request: Request, desk: AtDesk, customer: str) -> Response:
    chosen = field(form_of(request), "key")
    with desk.house.store.transaction() as tx:
        if chosen not in {one.id for one in list_keys(tx, customer)}:
            raise NotFound(f"this customer has no key {chosen!r}")
        revoke_key(tx, chosen)
    return back(f"/customers/{customer}", "revoked")


def credit(request: Request, desk: AtDesk, customer: str) -> Response:
    form = form_of(request)
    amount = exact_money(field(form, "amount"), desk.company.currency)
    with desk.house.store.transaction() as tx:
        credits.add_credit(tx, get_customer(tx, customer).id, amount, field(form, "operation"))
    return back(f"/customers/{customer}", "credited")


def plan_preview(request: Request, desk: AtDesk, customer: str, plan: str = "") -> Response:
    """What a change of plan will do, with the form that does it; a blank plan ends it."""
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
        change = preview_start(tx, who.id, plan) if plan else preview_end(tx, who.id)
    this_month = months(desk, None).shown
    facts = {
        "who": who,
        "change": change,
        "plan": plan,
        "at_once": not change.due or change.holds_from < this_month.end,
    }
    return render.page(request, "plan.html", facts)


def terms(request: Request, desk: AtDesk, customer: str) -> Response:
    """Set how the customer pays: prepaid or by invoice."""
    with desk.house.store.transaction() as tx:
        set_terms(tx, get_customer(tx, customer).id, checked_terms(field(form_of(request), "terms")))
    return back(f"/customers/{customer}", "terms-set")


def tax(request: Request, desk: AtDesk, customer: str) -> Response:
    """Give the customer a tax rate of its own from a month on, or the company's again."""
    form = form_of(request)
    facts = {"start": field(form, "month"), "reason": field(form, "reason"), "timezone": desk.company.timezone}
    with desk.house.store.transaction() as tx:
        set_customer_rate(tx, get_customer(tx, customer).id, field(form, "rate"), **facts)
    return back(f"/customers/{customer}", "tax-set")


def plan(request: Request, desk: AtDesk, customer: str) -> Response:
    """Change the plan; a blank one ends it."""
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        who = get_customer(tx, customer)
        if "plan" in form:
            subscribe(tx, who.id, form["plan"])
        else:
            unsubscribe(tx, who.id)
    return back(f"/customers/{customer}", "plan-changed")


def edit(request: Request, desk: AtDesk, customer: str) -> Response:
    """Change name, e-mail, locale, address or tax id; blank clears the last two."""
    form = form_of(request)
    must = {name: field(form, name) for name in ("name", "email", "locale")}
    may = {name: form.get(name, "") for name in ("address", "tax_id")}
    with desk.house.store.transaction() as tx:
        edit_it(tx, customer, must | may, allow_similar="allow_similar" in form)
    return back(f"/customers/{customer}", "changed")


def archive_it(request: Request, desk: AtDesk, customer: str) -> Response:
    with desk.house.store.transaction() as tx:
        archive(tx, customer, force="force" in form_of(request))
    return back(f"/customers/{customer}", "archived")


def unarchive_it(desk: AtDesk, customer: str) -> Response:
    with desk.house.store.transaction() as tx:
        unarchive(tx, customer)
    return back(f"/customers/{customer}", "unarchived")


def limit(request: Request, desk: AtDesk, customer: str) -> Response:
    form = form_of(request)
    with desk.house.store.transaction() as tx:
        limits.set_limit(tx, get_customer(tx, customer).id, field(form, "product"), whole_number(form, "units"))
    return back(f"/customers/{customer}", "limited")


def spend_limit(request: Request, desk: AtDesk, customer: str) -> Response:
    text = form_of(request).get("amount", "").strip()  # blank: no limit any longer
    amount = exact_money(text, desk.company.currency) if text else None
    with desk.house.store.transaction() as tx:
        set_spend_limit(tx, get_customer(tx, customer).id, amount)
    return back(f"/customers/{customer}", "limited")


def consent(request: Request, desk: AtDesk, customer: str) -> Response:
    given = field(form_of(request), "training") == "yes"
    with desk.house.store.transaction() as tx:
        set_training_consent(tx, get_customer(tx, customer).id, given)
    return back(f"/customers/{customer}", "consent")


def _page(request: Request, desk: AtDesk, customer: str, *, new_key: str | None = None) -> Response:
    chosen = months(desk, None)
    with desk.house.store.transaction() as tx:  # the running totals are brought up to date
        standing = standing_of(tx, customer, desk.company)
        states = [one for one in limit_states(tx, get_customer(tx, customer).id, desk.company) if one.kind != "product"]
    with desk.house.store.read() as tx:
        who = get_customer(tx, customer)
        figures = next(one for one in overview(tx, desk.house.workspace, chosen.shown).customers if one.id == who.id)
        brought = attribution_of(tx, who.id)
        own = customer_rates(tx, who.id)
        facts = {
            "who": who,
            "figures": figures,
            "standing": standing,
            "tax": now_in_force(tx, who.id),
            "own_rates": [(period_at(one.effective_from, desk.company.timezone).name, one) for one in own],
            "months": chosen,
            "new_key": new_key,
            "keys": list(reversed(list_keys(tx, who.id))),
            "invoices": list(reversed(list_invoices(tx, customer=who.id))),
            "subscription": open_subscription(tx, who.id),
            "plans": desk.house.workspace.plans,
            "products": priced_products(tx),
            "limits": limits.list_limits(tx, who.id),
            "states": states,
            "consents": list(reversed(consent_history(tx, who.id))),
            "partner": get_partner(tx, brought.partner) if brought else None,
            "review": review_of(tx, who.id),
            "archiving": preview_archive(tx, who.id),
            "locales": LOCALES,
            "accesses": ACCESSES,
            "operation": tx.new_id("op"),
            "now": tx.now,
        }
    return render.page(request, "customer.html", facts)


ROUTES = (
    Route("GET", "/customers", index, "operator"),
    Route("POST", "/customers", add, "operator", page=index, right="sell"),
    Route("GET", "/customers/{customer}", show, "operator"),
    Route("POST", "/customers/{customer}/key", key, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/rotate", rotate, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/revoke", revoke, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/credit", credit, "operator", page=show, right="bill"),
    Route("GET", "/customers/{customer}/plan", plan_preview, "operator"),
    Route("POST", "/customers/{customer}/terms", terms, "operator", page=show, right="bill"),
    Route("POST", "/customers/{customer}/tax", tax, "operator", page=show, right="bill"),
    Route("POST", "/customers/{customer}/plan", plan, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/edit", edit, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/archive", archive_it, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/unarchive", unarchive_it, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/limit", limit, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/spend-limit", spend_limit, "operator", page=show, right="sell"),
    Route("POST", "/customers/{customer}/consent", consent, "operator", page=show, right="sell"),
)
