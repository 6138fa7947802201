"""Route × role: every door of the office, tried by everybody. The matrix is made from the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from analytics.harbour import Harbour
from console.conftest import ADDRESS, Browser, signed_in
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.console.guard import GuardedRoute
from penstock.identity.operators import ADMIN, ROLES, Person, Right, Role, add_operator, person_of, remove_operator
from penstock.storage.audit import Wanted, entries

OPEN = ("/sign-in", "/static/{name}", "/healthz", "/metrics")
LEFT_OUT = ("POST /sign-out", "GET /jobs/events")  # the one ends the session, the other never ends
MAY: dict[Role, set[Right]] = {  # said again here, so that a right added to a role is noticed
    "owner": {"look", "sell", "train", "bill", "govern"},
    "finance": {"look", "bill"},
    "operator": {"look", "sell", "train"},
    "viewer": {"look"},
}


def doors(office: FastAPI, policy: str) -> Iterator[tuple[str, str, Right]]:
    """(method, path, right) of every route under a policy, its parameters filled in."""
    for route in office.routes:
        assert isinstance(route, GuardedRoute)
        extra: dict[str, Any] = route.openapi_extra or {}
        for method in sorted(route.methods or ()):
            if extra["x-policy"] == policy and f"{method} {route.path}" not in LEFT_OUT:
                yield method, re.sub(r"\{[^}]*\}", "1", route.path), extra["x-right"]


@pytest.fixture
def tokens(harbour: Harbour) -> dict[str, str]:
    found = {}
    with harbour.store.transaction() as tx:
        for role in (*ROLES, "removed"):
            _, found[role] = add_operator(tx, f"the {role}", "owner" if role == "removed" else role)
        remove_operator(tx, "the removed")
    return found


def content(here: Harbour) -> int:
    with here.store.read() as tx:
        return len(entries(tx, Wanted(), 1_000))


def test_the_admin_interface_lets_each_role_do_what_it_may(
    office: FastAPI, harbour: Harbour, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.console.attempts.MOST_REFUSED", 10_000)  # every door is asked from one address
    tried = list(doors(office, "admin"))
    assert len(tried) > 70
    wrong = []
    for role, token in tokens.items():
        client = TestClient(office, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})
        for method, path, right in tried:
            if right == "look" and role not in ("viewer", "removed"):  # who may least, may that: so may the others
                continue
            status = client.request(method, path, json={}).status_code
            wanted = 401 if role == "removed" else None if right in MAY[role] else 403
            if (status != wanted) if wanted else status in (401, 403):
                wrong.append(f"{role}: {method} {path} answered {status}")
    assert wrong == []


def test_the_console_lets_each_role_do_what_it_may(office: FastAPI, harbour: Harbour, tokens: dict[str, str]) -> None:
    tried = list(doors(office, "operator"))
    assert len(tried) > 60
    wrong = []
    for role in ROLES:
        with harbour.store.read() as tx:
            who = person_of(tx, tokens[role])
        browser = signed_in(Browser(office, base_url=ADDRESS), office, who)
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/").text)
        assert csrf is not None
        for method, path, right in tried:
            if right == "look" and role != "viewer":
                continue
            sent: dict[str, Any] = {} if method in ("GET", "HEAD") else {"data": {"csrf": csrf[1]}}
            status = browser.request(method, path, follow_redirects=False, **sent).status_code
            if (status == 403) != (right not in MAY[role]):
                wrong.append(f"{role}: {method} {path} answered {status}")
    assert wrong == []


def test_what_is_refused_changes_nothing(office: FastAPI, harbour: Harbour, tokens: dict[str, str]) -> None:
    viewer = TestClient(office, base_url=ADDRESS, headers={"Authorization": f"Bearer {tokens['viewer']}"})
    before = content(harbour)
    answer = viewer.post("/admin/v1/credits", json={"customer": harbour.blue, "amount": "5.00"})
    assert answer.status_code == 403 and "viewer" in answer.json()["detail"] and "finance" in answer.json()["hint"]
    assert content(harbour) == before


def test_a_viewer_sees_forms_that_cannot_be_used(office: FastAPI, harbour: Harbour) -> None:
    page = f"/customers/{harbour.blue}"
    owner = signed_in(Browser(office, base_url=ADDRESS), office, ADMIN).get(page).text
    with harbour.store.transaction() as tx:
        made, _ = add_operator(tx, "Vic", "operator")
    who = Person(made.name, made.role, made.id)
    shown = signed_in(Browser(office, base_url=ADDRESS), office, who).get(f"{page}?lang=zh-CN").text
    assert "inert" not in owner
    assert f'action="{page}/credit" inert title="您的角色无权执行此操作。"' in shown
    assert f'action="{page}/key" inert' not in shown and 'action="/sign-out" inert' not in shown


def test_a_role_is_what_it_is_now_not_what_it_was(office: FastAPI, harbour: Harbour, tokens: dict[str, str]) -> None:
    with harbour.store.read() as tx:
        who = person_of(tx, tokens["owner"])
    browser = signed_in(Browser(office, base_url=ADDRESS), office, who)
    with harbour.store.transaction() as tx:
        remove_operator(tx, "the owner")
    assert browser.get("/", follow_redirects=False).status_code == 303
