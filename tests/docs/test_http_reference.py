"""What docs/reference/http.md promises is what is served: every route is there, and every one there exists."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import typer

from penstock.app.customer_api import customer_endpoints
from penstock.cli.root import build
from penstock.serving.gateway import OWN_ROUTES
from tests.docs import admin_verbs

PAGE = admin_verbs.TARGET.read_text(encoding="utf-8")
SELLING = ("operator", "session", "customer", "key", "subscription", "credit", "partner", "attribution")
MONEY = ("audit", "usage", "bill", "invoice", "ledger", "statement", "payout")


def test_the_table_of_the_operators_routes_is_the_routes() -> None:
    assert len(admin_verbs.served()) > 35
    assert admin_verbs.documented(PAGE) == admin_verbs.served()
    assert admin_verbs.with_table(PAGE) == PAGE, "run: python tests/docs/render.py"


def test_every_command_that_sells_or_counts_money_has_its_route() -> None:
    tree: Any = typer.main.get_command(build())
    commands = set()
    for group in (*SELLING, *MONEY):
        known = tree.commands.get(group)
        below = getattr(known, "commands", None)
        commands |= {f"{group} {name}" for name in below} if below else ({group} if known is not None else set())
    missing = commands - admin_verbs.VERBS.keys() - admin_verbs.ELSEWHERE
    assert missing == set(), "give it a route, and name it in tests/docs/admin_verbs.py"
    assert set(admin_verbs.VERBS.values()) <= admin_verbs.served()
    assert admin_verbs.VERBS.keys() <= commands


def test_every_customer_route_is_in_the_page_and_every_one_there_exists() -> None:
    house = cast(Any, SimpleNamespace(workspace=SimpleNamespace(company=SimpleNamespace(timezone="UTC"), products={})))
    served = {path for _, path in OWN_ROUTES} | {one.path for one in customer_endpoints(house)}
    named = set(re.findall(r"`(?:GET |POST )?(/(?:v1/[^`?\s]*|healthz|readyz|metrics|openapi\.json))", PAGE))
    assert {path for path in served if path not in named} == set()
    assert {path for path in named if path not in served} == set()
