"""Nobody passes a door that was not opened to them, and no door can be built without saying for whom it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from analytics.harbour import Harbour
from console.conftest import Browser
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.billing.credits import credit_balance
from penstock.console import office as office_room
from penstock.console.attempts import Attempts
from penstock.console.guard import GuardedRoute, Keeper, Route, mount
from penstock.console.office import build_office
from penstock.core.errors import BadInput, Broken

OPEN = {"/sign-in", "/static/{name}", "/healthz", "/metrics"}


def doors(office: FastAPI) -> list[tuple[str, str]]:
    """Every (method, path) with its parameters filled in."""
    found = []
    for route in office.routes:
        assert isinstance(route, GuardedRoute)
        if route.path not in OPEN:
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            found += [(method, path) for method in sorted(route.methods or ())]
    return found


def test_a_stranger_gets_nothing_from_any_route(office: FastAPI, stranger: TestClient) -> None:
    tried = doors(office)
    assert len(tried) > 60
    for method, path in tried:
        answer = stranger.request(method, path, json={})
        refused = answer.status_code == 401 or answer.headers.get("location") == "/sign-in"
        assert refused, f"{method} {path} answered {answer.status_code}"


def test_the_admin_interface_refuses_in_problem_documents(office: FastAPI, stranger: TestClient) -> None:
    for method, path in doors(office):
        if path.startswith("/admin"):
            answer = stranger.request(method, path, headers={"Authorization": "Bearer wrong"})
            assert answer.status_code in (401, 429)  # the second once too many were refused: test_attempts
            assert answer.headers["content-type"] == "application/problem+json"
            if method != "HEAD":
                kind = "unauthorised" if answer.status_code == 401 else "rate-limited"
                assert answer.json()["type"] == f"urn:penstock:problem:{kind}"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x"])
def test_only_the_whole_admin_token_passes(harbour: Harbour, stranger: TestClient, header: str) -> None:
    text = header.format(harbour.house.secret("admin").decode())
    assert stranger.get("/admin/v1/customers", headers={"Authorization": text}).status_code == 401


def test_a_session_does_not_open_the_admin_interface_nor_the_token_the_pages(
    browser: Browser, admin: TestClient
) -> None:
    assert browser.get("/admin/v1/customers").status_code == 401
    assert admin.get("/", follow_redirects=False).headers["location"] == "/sign-in"


def test_a_strangers_body_is_not_even_read(stranger: TestClient) -> None:
    answer = stranger.post("/admin/v1/customers", content=b"{not json", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


def test_an_office_with_a_route_without_a_policy_cannot_be_built(
    harbour: Harbour, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = Route("GET", "/admin/v1/secrets", lambda: None)
    monkeypatch.setattr(office_room.admin, "ROUTES", (*office_room.admin.ROUTES, forgotten))
    with pytest.raises(Broken, match=r"/admin/v1/secrets.*no policy"):
        build_office(harbour.house, runs, harbour.house.secret("admin"))


def test_an_office_with_a_changing_route_without_a_right_cannot_be_built(
    harbour: Harbour, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = Route("POST", "/admin/v1/secrets", lambda: None, "admin")
    monkeypatch.setattr(office_room.admin, "ROUTES", (*office_room.admin.ROUTES, forgotten))
    with pytest.raises(Broken, match=r"/admin/v1/secrets.*no right"):
        build_office(harbour.house, runs, harbour.house.secret("admin"))


def test_a_route_that_goes_round_the_guard_is_found(harbour: Harbour) -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/side-door")(lambda: None)
    with pytest.raises(Broken, match="/side-door"):
        mount(app, [], Keeper(b"t" * 32, b"s" * 32, harbour.store, Attempts(harbour.clock.now)))


def test_there_is_no_office_with_a_short_token(harbour: Harbour, runs: Any) -> None:
    with pytest.raises(BadInput):
        build_office(harbour.house, runs, b"admin")


def test_the_admin_token_signs_a_browser_in(harbour: Harbour, stranger: TestClient) -> None:
    assert stranger.post("/sign-in", data={"token": "guess"}).status_code == 401
    answer = stranger.post("/sign-in", data={"token": harbour.house.secret("admin").decode()})
    assert answer.headers["location"] == "/"
    assert stranger.get("/").status_code == 200


def test_a_form_without_this_sessions_token_does_nothing(harbour: Harbour, browser: Browser) -> None:
    path = f"/customers/{harbour.quiet}/credit"
    for token in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        answer = browser.post(path, data={"amount": "5.00", "operation": "x", **token})
        assert answer.status_code == 403
    with harbour.store.read() as tx:
        assert credit_balance(tx, harbour.quiet).amount_minor == 0
    assert browser.get("/", follow_redirects=False).status_code == 200


def test_a_form_sent_as_something_else_is_refused(browser: Browser, harbour: Harbour) -> None:
    answer = browser.post(f"/customers/{harbour.blue}/credit", json={"amount": "5.00"})
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["/", "/sign-in", "/static/office.css", "/admin/v1/customers", "/nowhere", "/healthz"])
def test_every_answer_carries_the_security_headers(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_huge_body_is_refused(admin: TestClient) -> None:
    answer = admin.post(
        "/admin/v1/customers", content=b"[" + b"1," * 600_000 + b"1]", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_static_files_are_two_and_no_path_leads_elsewhere(stranger: TestClient) -> None:
    assert stranger.get("/static/office.css").headers["content-type"].startswith("text/css")
    for name in ("..%2foffice.py", "office.py", "%2e%2e%2f%2e%2e%2fapp.py"):
        assert stranger.get(f"/static/{name}").status_code in (303, 404)


def test_health_is_told_to_anyone_and_says_nothing_else(stranger: TestClient) -> None:
    assert stranger.get("/healthz").json() == {"status": "ok"}
