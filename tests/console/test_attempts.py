"""Sign-ins that are refused: counted, bounded by address, and no bound on those who may come in."""

from __future__ import annotations

import re
from datetime import timedelta

from analytics.harbour import Harbour
from console.conftest import ADDRESS
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.console.attempts import MOST_ADDRESSES, MOST_REFUSED
from penstock.console.signing_in import sign_in_link
from penstock.core.errors import RateLimited
from penstock.identity.operators import ADMIN, add_operator


def counts(office: FastAPI, harbour: Harbour) -> dict[tuple[str, str], int]:
    token = harbour.house.secret("metrics").decode()
    client = TestClient(office, base_url=ADDRESS)
    assert client.get("/metrics").status_code == 401
    told = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert told.status_code == 200
    found = re.findall(r'^penstock_office_sign_ins_total\{door="(.*?)",outcome="(.*?)"\} (\d+)$', told.text, re.M)
    return {(door, outcome): int(count) for door, outcome, count in found}


def test_refused_sign_ins_are_counted_and_an_address_is_held_off(
    office: FastAPI, harbour: Harbour, stranger: TestClient
) -> None:
    with harbour.store.transaction() as tx:
        _, token = add_operator(tx, "Ada", "viewer")
    for _ in range(MOST_REFUSED // 2):
        assert stranger.post("/sign-in", data={"token": "po_wrong"}).status_code == 401
        bearer = {"Authorization": "Bearer wrong"}
        assert stranger.get("/admin/v1/customers", headers=bearer).status_code == 401
    held = stranger.post("/sign-in", data={"token": token})
    assert held.status_code == 429 and 1 <= int(held.headers["retry-after"]) <= 60
    told = stranger.get("/admin/v1/customers?lang=zh-CN", headers={"Authorization": f"Bearer {token}"})
    assert told.status_code == 429 and "penstock sign-in" in told.json()["hint"]
    elsewhere = TestClient(office, base_url=ADDRESS, client=("192.0.2.9", 5), follow_redirects=False)
    assert elsewhere.post("/sign-in", data={"token": token}).status_code == 303
    admin = harbour.house.secret("admin").decode()  # its owner is never locked out, nor who has a link
    assert stranger.post("/sign-in", data={"token": admin}).status_code == 303
    assert stranger.get(sign_in_link(office.state.links, ADMIN, ADDRESS).removeprefix(ADDRESS)).status_code == 200
    assert stranger.get("/sign-in?ticket=none").status_code == 401
    found = counts(office, harbour)
    assert found["form", "refused"] == found["admin", "refused"] == MOST_REFUSED // 2
    assert (found["form", "held off"], found["admin", "held off"], found["link", "refused"]) == (1, 1, 1)
    assert (found["form", "accepted"], found["link", "accepted"]) == (2, 1)
    harbour.clock.advance(timedelta(minutes=1))
    assert stranger.post("/sign-in", data={"token": token}).status_code == 303


def test_what_is_remembered_of_addresses_is_bounded_and_an_ipv6_host_is_one(office: FastAPI) -> None:
    attempts = office.state.keeper.attempts
    for number in range(MOST_REFUSED):
        attempts.refused(f"2001:db8::{number:x}", "form")
    try:
        attempts.check("2001:db8::ffff", "form")
    except RateLimited:
        pass
    else:
        raise AssertionError("another address of the same network was let through")
    attempts.check("2001:db8:1::1", "form")
    for number in range(MOST_ADDRESSES + 10):
        attempts.refused(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "form")
    assert len(attempts._by_address) == MOST_ADDRESSES
    attempts.check("2001:db8::1", "form")  # the oldest was forgotten


def test_a_release_and_an_alert_bear_their_operators_name(office: FastAPI, harbour: Harbour) -> None:
    with harbour.store.transaction() as tx:
        _, token = add_operator(tx, "Ada", "operator")
    better = harbour.candidate("helpdesk", "frozen-linear.v2", 116)
    ada = TestClient(office, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})
    answer = ada.post("/admin/v1/products/helpdesk/release", json={"candidate": better.id})
    assert answer.status_code == 201, answer.text
    with harbour.store.read() as tx:
        from penstock.registry.releases import history

        assert history(tx, "helpdesk")[-1].actor == "Ada"
