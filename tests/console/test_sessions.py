"""A browser's way in: links that hold once and in their run only, sessions that end when they are ended."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from analytics.harbour import Harbour, open_harbour
from console.conftest import ADDRESS, Browser, signed_in
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.console.office import build_office
from penstock.console.signing_in import sign_in_link
from penstock.core.clock import SettableClock
from penstock.identity.operators import ADMIN, add_operator, person_of
from penstock.identity.sessions import list_sessions
from penstock.storage import migrate
from penstock.storage.audit import Wanted, entries
from penstock.storage.engine import Store, open_engine


def is_in(browser: TestClient) -> bool:
    return browser.get("/", follow_redirects=False).status_code == 200


def test_a_link_works_once(office: FastAPI, stranger: TestClient) -> None:
    path = sign_in_link(office.state.links, ADMIN, ADDRESS).removeprefix(ADDRESS)
    first = stranger.get(path)
    assert first.status_code == 200
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert is_in(stranger)
    stranger.cookies.clear()
    again = stranger.get(path)
    assert again.status_code == 401 and "used before" in again.text
    assert "set-cookie" not in again.headers


def test_an_unused_link_of_an_ended_run_signs_nobody_in(office: FastAPI, harbour: Harbour, runs: Any) -> None:
    path = sign_in_link(office.state.links, ADMIN, ADDRESS).removeprefix(ADDRESS)
    next_run = TestClient(build_office(harbour.house, runs, harbour.house.secret("admin")), base_url=ADDRESS)
    assert next_run.get(path).status_code == 401 and not is_in(next_run)


def test_no_link_and_no_cookie_is_in_a_file(harbour: Harbour, office: FastAPI, browser: Browser) -> None:
    ticket = sign_in_link(office.state.links, ADMIN, ADDRESS).partition("ticket=")[2]
    secrets = [ticket.encode(), *(value.encode() for value in browser.cookies.values())]
    assert len(secrets) == 2
    with harbour.store.transaction():
        pass
    files = [file for file in harbour.house.folder.rglob("*") if file.is_file()]
    assert len(files) > 3 and not [file for file in files if any(one in file.read_bytes() for one in secrets)]


def test_a_link_is_over_after_an_hour_and_a_session_after_half_a_day(
    office: FastAPI, harbour: Harbour, browser: Browser
) -> None:
    old = sign_in_link(office.state.links, ADMIN, ADDRESS).removeprefix(ADDRESS)
    harbour.clock.advance(timedelta(hours=1))
    assert browser.get(old).status_code == 401
    assert is_in(browser)
    harbour.clock.advance(timedelta(hours=11))
    assert not is_in(browser)


def test_a_cookie_that_was_signed_out_holds_in_no_browser(office: FastAPI, browser: Browser) -> None:
    thief = TestClient(office, base_url=ADDRESS, cookies=dict(browser.cookies))
    assert is_in(thief)
    browser.fill_in("/", "/sign-out")
    assert not is_in(browser) and not is_in(thief)


def test_an_altered_cookie_does_not_hold(office: FastAPI, browser: Browser) -> None:
    [(name, text)] = browser.cookies.items()
    for altered in (text[:-1], text + "x", text[::-1], "", "x" * 5_000):
        assert not is_in(TestClient(office, base_url=ADDRESS, cookies={name: altered}))


def test_a_session_is_listed_and_ended_by_another(
    office: FastAPI, harbour: Harbour, browser: Browser, admin: TestClient
) -> None:
    other = signed_in(Browser(office, base_url=ADDRESS), office, ADMIN)
    listed = admin.get("/admin/v1/sessions").json()
    assert len(listed) == 2 and {one["who"] for one in listed} == {"the admin token"}
    assert "cookie" not in json.dumps(listed)
    with harbour.store.read() as tx:
        newest = list_sessions(tx)[0].id
    page = browser.get("/operators").text
    theirs = re.findall(r'name="session" value="(\w+)"', page)
    assert len(theirs) == 1  # one's own is ended by signing out
    assert browser.fill_in("/operators", "/operators/end-session", session=theirs[0]).status_code == 200
    assert is_in(browser) and not is_in(other)
    assert admin.post(f"/admin/v1/sessions/{newest}/end").status_code == (404 if newest == theirs[0] else 200)


def test_two_workspaces_on_one_host_do_not_sign_each_other_out(
    office: FastAPI, browser: Browser, runs: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    migrate.upgrade(url)
    (tmp_path / "other").mkdir()
    clock = SettableClock(office.state.keeper.store.clock.now())
    other = open_harbour(tmp_path / "other", Store(open_engine(url), "main", clock))
    second = build_office(other.house, runs, other.house.secret("admin"))
    there = signed_in(Browser(second, base_url=ADDRESS, cookies=dict(browser.cookies)), second, ADMIN)
    both = dict(there.cookies)
    assert len(both) == 2
    assert is_in(TestClient(office, base_url=ADDRESS, cookies=both))
    assert is_in(TestClient(second, base_url=ADDRESS, cookies=both))
    other.store.close()


def test_an_operators_token_signs_in_as_that_operator_until_it_is_removed(
    office: FastAPI, harbour: Harbour, admin: TestClient, stranger: TestClient
) -> None:
    made = admin.post("/admin/v1/operators", json={"name": "Ada", "role": "viewer"}).json()
    assert stranger.post("/sign-in", data={"token": made["token"]}).headers["location"] == "/"
    assert is_in(stranger) and "Ada" in stranger.get("/").text
    with harbour.store.read() as tx:
        [entry] = entries(tx, Wanted(who="Ada"))
        assert person_of(tx, made["token"]).role == "viewer"
    assert (entry.act, entry.role) == ("POST /sign-in", "viewer")
    assert admin.post("/admin/v1/operators/Ada/remove").status_code == 200
    assert not is_in(stranger)
    assert stranger.post("/sign-in", data={"token": made["token"]}).status_code == 401
    assert admin.get("/admin/v1/operators").json() == []


def test_a_link_that_an_operator_asks_for_signs_in_as_that_operator(office: FastAPI, harbour: Harbour) -> None:
    with harbour.store.transaction() as tx:
        _, token = add_operator(tx, "Ada", "finance")
    asked = TestClient(office, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})
    link = asked.post("/admin/v1/sign-in-links").json()["link"]
    browser = TestClient(office, base_url=ADDRESS)
    assert browser.get(link).status_code == 200 and "Ada" in browser.get("/").text
