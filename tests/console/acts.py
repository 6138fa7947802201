"""Every changing route of the office with a request that it accepts, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from analytics.harbour import Harbour
from fastapi import FastAPI

from penstock.channels.attribution import attribute
from penstock.console.guard import GuardedRoute
from penstock.identity.customers import add_customer
from penstock.identity.operators import ADMIN
from penstock.identity.sessions import begin
from penstock.monitoring.feedback import list_feedback
from penstock.storage.engine import Transaction
from penstock.tasks.opinion.tables import opinion_alert

CHANGES_NOTHING = {
    "POST /admin/v1/attributions/check": "it changes only what versions without reviews attributed",
    "POST /try": "a trial is neither counted nor kept",
    "POST /admin/v1/sign-in-links": "a link lies in memory only; signing in by it is an act",
    "POST /sign-in": "tests/console/test_sessions.py",
    "POST /sign-out": "tests/console/test_sessions.py",
    "POST /admin/v1/bill/resume": "tests/pipeline/test_closing_months.py: it needs a customer put aside",
    "POST /admin/v1/invoices/{number}/send": "tests/pipeline/test_invoice_mail.py: it needs a mail server",
    "POST /invoices/{number}/send": "tests/pipeline/test_invoice_mail.py: it needs a mail server",
}
"""Routes that this walk leaves out, and why."""


@dataclass(frozen=True)
class Step:
    """One request. route: as `METHOD /path/{template}`; into: what stands for its parameters."""

    route: str
    into: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2].format(**self.into)


def changing(office: FastAPI) -> Iterator[str]:
    """`METHOD /path` of every route that may change something."""
    for route in office.routes:
        assert isinstance(route, GuardedRoute)
        for method in sorted(route.methods or ()):
            if method not in ("GET", "HEAD", "OPTIONS") and "{rest:path}" not in route.path:
                yield f"{method} {route.path}"


def more_of(here: Harbour) -> dict[str, str]:
    """What the walk needs beside the harbour: keys, corrections, a better candidate, customers to decide about."""
    with here.store.transaction() as tx:
        rows = [one.id for one in list_feedback(tx) if one.correction]
        held = []
        for number in range(4):
            made = add_customer(tx, name=f"Reed {number}", email=f"r{number}@reed.example.com").id
            attribute(tx, made, "REED")
            held.append(made)
        _alert(tx)
    paid = here.invoices[here.blue]
    here.clock.set(datetime(2026, 12, 2, 2, 0, tzinfo=UTC))
    here.close("2026-11")
    with here.store.transaction() as tx:
        session, _ = begin(tx, ADMIN, "127.0.0.1")
    better = here.candidate("helpdesk", "frozen-linear.v2", 116).id
    return {"said": rows[0], "better": better, "paid": paid, "session": session.id} | {
        f"held{number}": one for number, one in enumerate(held)
    }


def _alert(tx: Transaction) -> None:
    named = ("product", "customer", "entity", "release", "acknowledged_by")
    counts = ("observed", "expected", "statistic", "threshold")
    row = dict.fromkeys(named, "x") | dict.fromkeys(counts, 1)
    row |= {"id": "alert_1", "organisation": tx.organisation, "kind": "volume", "state": "open", "bucket": "day"}
    row |= dict.fromkeys(("onset", "first", "last", "found_at"), tx.now) | {"documents": [], "muted": False}
    tx.execute(sa.insert(opinion_alert), row)


def api_steps(here: Harbour, more: dict[str, str]) -> Iterator[Step]:
    """The admin interface. Keys are made by the first step and named by the caller."""
    blue, quiet, api = here.blue, here.quiet, "/admin/v1"
    paid, other = more["paid"], here.invoices[here.blue]
    yield Step(f"POST {api}/sessions/{{session}}/end", {"session": more["session"]})
    yield Step(f"POST {api}/customers", body={"name": "New Co", "email": "new@example.com"})
    yield Step(f"PATCH {api}/customers/{{customer}}", {"customer": quiet}, {"address": "2 Quay"})
    yield Step(f"PUT {api}/customers/{{customer}}/consent", {"customer": quiet}, {"training": True})
    yield Step(f"PUT {api}/customers/{{customer}}/terms", {"customer": quiet}, {"terms": "prepaid"})
    tax = {"rate": "0%", "from": "2099-01", "reason": "exempt"}
    yield Step(f"PUT {api}/customers/{{customer}}/tax", {"customer": quiet}, tax)
    yield Step(f"POST {api}/keys", body={"customer": quiet})
    yield Step(f"POST {api}/keys/{{key}}/rotate", {"key": more["key"]}, {"overlap_hours": 2})
    yield Step(f"POST {api}/keys/{{key}}/revoke", {"key": more["key"]})
    yield Step(f"POST {api}/credits", body={"customer": quiet, "amount": "5.00"})
    yield Step(f"PUT {api}/limits", body={"customer": quiet, "product": "helpdesk", "units": 9})
    yield Step(f"PUT {api}/customers/{{customer}}/spend-limit", {"customer": quiet}, {"amount": "50.00"})
    yield Step(f"PUT {api}/keys/{{key}}/limits", {"key": more["key"]}, {"concurrency": 8, "money": "20.00"})
    yield Step(f"POST {api}/subscriptions", body={"customer": quiet, "plan": "team"})
    yield Step(f"POST {api}/subscriptions/end", body={"customer": quiet})
    yield Step(f"POST {api}/partners", body={"name": "Sail", "email": "sail@example.com"})
    yield Step(f"POST {api}/attributions/{{customer}}/clear", {"customer": more["held0"]}, {"reason": "seen"})
    yield Step(f"POST {api}/attributions/{{customer}}/reject", {"customer": more["held1"]}, {"reason": "seen"})
    yield Step(f"POST {api}/partners/{{partner}}/move", {"partner": here.partner}, {"agreement": "other"})
    yield Step(f"POST {api}/feedback/accept", body={"ids": [more["said"]]})
    yield Step(f"POST {api}/feedback/reject", body={"ids": [more["said"]]})
    yield Step(f"POST {api}/products/{{product}}/release", {"product": "helpdesk"}, {"candidate": more["better"]})
    yield Step(f"POST {api}/products/{{product}}/rollback", {"product": "helpdesk"})
    yield Step(f"POST {api}/products/{{product}}/train", {"product": "kefu"}, {"rungs": []})
    yield Step(f"POST {api}/products/{{product}}/retrain", {"product": "kefu"})
    yield Step(f"POST {api}/bill/close", body={"period": "2026-10"})
    use = {"customer": blue, "product": "helpdesk", "units": 1, "reason": "r", "operation": "op 1"}
    yield Step(f"POST {api}/usage/corrections", body=use)
    yield Step(f"POST {api}/invoices/{{number}}/payments", {"number": paid}, {"amount": "1.00", "operation": "w 1"})
    yield Step(f"POST {api}/payments/cancel", body={"payment_operation": "w 1"})
    yield Step(f"POST {api}/invoices/{{number}}/refunds", {"number": paid}, {"amount": "0.50", "reason": "r"})
    yield Step(f"POST {api}/invoices/{{number}}/credit-notes", {"number": paid}, {"amount": "0.25", "reason": "r"})
    yield Step(f"POST {api}/invoices/{{number}}/void", {"number": other}, {"reason": "r"})
    yield Step(f"POST {api}/partners/{{partner}}/payouts", {"partner": here.partner}, {"operation": "po 1"})
    yield Step(f"POST {api}/operators", body={"name": "Ada", "role": "viewer"})
    yield Step(f"POST {api}/operators/{{operator}}/remove", {"operator": "Ada"})
    yield Step(f"POST {api}/customers/{{customer}}/archive", {"customer": quiet}, {"force": True})
    yield Step(f"POST {api}/customers/{{customer}}/unarchive", {"customer": quiet})
    yield Step(f"POST {api}/customers/{{customer}}/export", {"customer": blue})
    yield Step(f"POST {api}/customers/{{customer}}/erase", {"customer": more["held3"]}, {"yes": True})


def page_steps(here: Harbour, more: dict[str, str]) -> Iterator[Step]:
    """The console's forms."""
    quiet, paid, other = here.quiet, more["paid"], here.invoices[here.blue]
    this = {"customer": quiet}
    yield Step("POST /operators/end-session", body={"session": more["session"]})
    yield Step("POST /customers", body={"name": "New Co", "email": "new@example.com"})
    edited = {"name": "Quiet Co", "email": "pay@quiet.example.com", "locale": "en", "address": "2 Quay"}
    yield Step("POST /customers/{customer}/edit", this, edited)
    yield Step("POST /customers/{customer}/consent", this, {"training": "yes"})
    yield Step("POST /customers/{customer}/terms", this, {"terms": "prepaid"})
    yield Step("POST /customers/{customer}/tax", this, {"rate": "0%", "month": "2099-01", "reason": "exempt"})
    yield Step("POST /customers/{customer}/key", this, {"name": "shop"})
    yield Step("POST /customers/{customer}/rotate", {"customer": here.blue}, {"key": more["key"], "hours": "2"})
    yield Step("POST /customers/{customer}/revoke", {"customer": here.blue}, {"key": more["key"]})
    yield Step("POST /customers/{customer}/credit", this, {"amount": "5.00", "operation": "w 1"})
    yield Step("POST /customers/{customer}/limit", this, {"product": "helpdesk", "units": "9"})
    yield Step("POST /customers/{customer}/spend-limit", this, {"amount": "50.00"})
    yield Step("POST /customers/{customer}/plan", this, {"plan": "team"})
    yield Step("POST /partners", body={"name": "Sail", "email": "sail@example.com", "agreement": "referral"})
    said = {"customer": more["held2"], "verdict": "clear", "reason": "seen"}
    yield Step("POST /partners/{partner}/review", {"partner": here.partner}, said)
    yield Step("POST /partners/{partner}/move", {"partner": here.partner})
    yield Step("POST /feedback/reject-all", body={"key": "key"})
    yield Step("POST /feedback/accept", body={"id": more["said"]})
    yield Step("POST /feedback/reject", body={"id": more["said"]})
    yield Step("POST /products/{product}/release", {"product": "helpdesk"}, {"candidate": more["better"]})
    yield Step("POST /products/{product}/rollback", {"product": "helpdesk"})
    yield Step("POST /products/{product}/train", {"product": "kefu"})
    yield Step("POST /products/{product}/retrain", {"product": "kefu"})
    yield Step("POST /opinion/acknowledge", body={"alert": "alert_1"})
    yield Step("POST /opinion/resolve", body={"alert": "alert_1"})
    yield Step("POST /invoices", body={"period": "2026-10"})
    money = {"amount": "1.00", "operation": "w 2", "reason": "r"}
    yield Step("POST /invoices/{number}/pay", {"number": paid}, money)
    yield Step("POST /invoices/{number}/refund", {"number": paid}, {**money, "operation": "w 3"})
    yield Step("POST /invoices/{number}/credit-note", {"number": paid}, {**money, "operation": "w 4"})
    yield Step("POST /invoices/{number}/void", {"number": other}, {**money, "operation": "w 5"})
    yield Step("POST /partners/{partner}/payout", {"partner": here.partner}, {"operation": "po 1"})
    yield Step("POST /operators", body={"name": "Ada", "role": "viewer"})
    yield Step("POST /operators/remove", body={"operator": "Ada"})
    yield Step("POST /customers/{customer}/archive", this, {"force": "yes"})
    yield Step("POST /customers/{customer}/unarchive", this)
    yield Step("POST /customers/{customer}/export", this)
    yield Step("POST /customers/{customer}/erase", {"customer": more["held3"]}, {"name": "Reed 3", "keep_years": "9"})
