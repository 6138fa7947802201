"""The table of the operator's routes in docs/reference/http.md, made from the routes by `tests/docs/render.py`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from penstock.console.admin import ROUTES

TARGET = Path(__file__).parent.parent.parent / "docs" / "reference" / "http.md"
BEGIN, END = "<!-- the operator's routes -->", "<!-- end of the operator's routes -->"

# what a command of selling and money is over HTTP; a test looks that none is missing
VERBS = {
    "operator add": "POST /admin/v1/operators",
    "operator list": "GET /admin/v1/operators",
    "operator remove": "POST /admin/v1/operators/{operator}/remove",
    "session list": "GET /admin/v1/sessions",
    "session end": "POST /admin/v1/sessions/{session}/end",
    "audit list": "GET /admin/v1/audit",
    "audit verify": "GET /admin/v1/audit/verify",
    "customer add": "POST /admin/v1/customers",
    "customer list": "GET /admin/v1/customers",
    "customer show": "GET /admin/v1/customers/{customer}",
    "customer edit": "PATCH /admin/v1/customers/{customer}",
    "customer archive": "POST /admin/v1/customers/{customer}/archive",
    "customer unarchive": "POST /admin/v1/customers/{customer}/unarchive",
    "customer export": "POST /admin/v1/customers/{customer}/export",
    "customer erase": "POST /admin/v1/customers/{customer}/erase",
    "customer consent": "PUT /admin/v1/customers/{customer}/consent",
    "customer limit": "PUT /admin/v1/limits",
    "customer limits": "GET /admin/v1/customers/{customer}/limits",
    "customer spend-limit": "PUT /admin/v1/customers/{customer}/spend-limit",
    "customer spending": "GET /admin/v1/customers/{customer}/spending",
    "key limit": "PUT /admin/v1/keys/{key}/limits",
    "key create": "POST /admin/v1/keys",
    "key list": "GET /admin/v1/keys",
    "key rotate": "POST /admin/v1/keys/{key}/rotate",
    "key revoke": "POST /admin/v1/keys/{key}/revoke",
    "subscription start": "POST /admin/v1/subscriptions",
    "subscription end": "POST /admin/v1/subscriptions/end",
    "subscription list": "GET /admin/v1/subscriptions",
    "credit add": "POST /admin/v1/credits",
    "credit balance": "GET /admin/v1/customers/{customer}/credit",
    "customer terms": "PUT /admin/v1/customers/{customer}/terms",
    "customer tax": "PUT /admin/v1/customers/{customer}/tax",
    "partner add": "POST /admin/v1/partners",
    "partner list": "GET /admin/v1/partners",
    "partner move": "POST /admin/v1/partners/{partner}/move",
    "attribution list": "GET /admin/v1/attributions",
    "attribution clear": "POST /admin/v1/attributions/{customer}/clear",
    "attribution reject": "POST /admin/v1/attributions/{customer}/reject",
    "attribution check": "POST /admin/v1/attributions/check",
    "usage export": "GET /admin/v1/usage/export",
    "usage correct": "POST /admin/v1/usage/corrections",
    "bill preview": "GET /admin/v1/bill/preview",
    "invoice send": "POST /admin/v1/invoices/{number}/send",
    "bill close": "POST /admin/v1/bill/close",
    "bill aside": "GET /admin/v1/bill/aside",
    "bill resume": "POST /admin/v1/bill/resume",
    "invoice list": "GET /admin/v1/invoices",
    "invoice show": "GET /admin/v1/invoices/{number}",
    "invoice pdf": "GET /admin/v1/invoices/{number}/pdf",
    "invoice events": "GET /admin/v1/invoices/{number}/lines/{line}/events",
    "invoice payments": "GET /admin/v1/invoices/{number}/payments",
    "invoice pay": "POST /admin/v1/invoices/{number}/payments",
    "invoice void": "POST /admin/v1/invoices/{number}/void",
    "invoice credit-note": "POST /admin/v1/invoices/{number}/credit-notes",
    "invoice refund": "POST /admin/v1/invoices/{number}/refunds",
    "invoice cancel-payment": "POST /admin/v1/payments/cancel",
    "ledger verify": "GET /admin/v1/ledger/verify",
    "ledger balances": "GET /admin/v1/ledger/balances",
    "statement": "GET /admin/v1/partners/{partner}/statement",
    "payout": "POST /admin/v1/partners/{partner}/payouts",
}
ELSEWHERE: set[str] = set()  # verbs that are not over HTTP yet


def with_table(page: str) -> str:
    """The page with the table that the routes say today."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n" + "\n".join(_table()) + f"\n{END}{after}"


def documented(page: str) -> set[str]:
    """`METHOD /path` of every row of the table."""
    rows = page.split(BEGIN)[1].split(END)[0].splitlines()
    return {row.split("`")[1] for row in rows if row.startswith("| `")}


def served() -> set[str]:
    """`METHOD /path` of every route of the operator's interface."""
    return {f"{route.method} {route.path}" for route in ROUTES}


def _table() -> Iterator[str]:
    commands = {route: f"`penstock {command}`" for command, route in VERBS.items()}
    yield from ("| route | what it does | right | command |", "|---|---|---|---|")
    for route in ROUTES:
        name = f"{route.method} {route.path}"
        what = (inspect.getdoc(route.call) or "").replace("\n", " ").replace("|", "\\|")
        yield f"| `{name}` | {what} | {route.right or 'look'} | {commands.get(name, '')} |"
