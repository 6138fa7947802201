"""Whoever changes something through the office is in the audit log: every changing route is walked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from analytics.harbour import Harbour
from console.acts import CHANGES_NOTHING, Step, api_steps, changing, more_of, page_steps
from console.conftest import Browser
from fastapi import FastAPI
from starlette.testclient import TestClient

from penstock.channels import agreements
from penstock.identity.keys import create_key, list_keys
from penstock.storage.audit import Entry, Wanted, entries, verify
from penstock.workspace.loader import load


def newest(here: Harbour) -> Entry | None:
    with here.store.read() as tx:
        found = entries(tx, Wanted(), 1)
    return found[0] if found else None


@pytest.fixture
def more(harbour: Harbour) -> dict[str, str]:
    """October's hold days are over; a second agreement is published."""
    file = harbour.house.folder / "penstock.toml"
    added = '\n[agreements.other]\nshare = "30%"\nhold_days = 1\n'
    file.write_text(file.read_text(encoding="utf-8").replace('share = "20%"', 'share = "25%"') + added)
    with harbour.store.transaction() as tx:
        agreements.publish(tx, load(harbour.house.folder))
        create_key(tx, customer=harbour.blue, name="second")
        key = list_keys(tx, harbour.blue)[0].id
    return {**more_of(harbour), "key": key}


def check(here: Harbour, step: Step, answer: Any, before: Entry | None) -> Entry:
    assert answer.status_code < 400, f"{step.route}: {answer.status_code} {answer.text[:300]}"
    after = newest(here)
    assert after is not None and after != before, f"{step.route} left no entry"
    assert after.act == step.route and after.origin == "testclient"
    assert after.changes or after.more
    return after


def test_every_verb_of_the_admin_interface_leaves_an_entry(
    harbour: Harbour, admin: TestClient, office: FastAPI, more: dict[str, str]
) -> None:
    walked = set()
    for step in api_steps(harbour, more):
        if step.route.endswith("/payouts"):
            harbour.clock.advance(timedelta(days=60))
        before, method = newest(harbour), step.route.partition(" ")[0]
        entry = check(harbour, step, admin.request(method, step.path, json=step.body), before)
        assert (entry.who, entry.role) == ("the admin token", "owner")
        walked.add(step.route)
    wanted = {route for route in changing(office) if "/admin/" in route}
    assert len(wanted) > 30 and wanted - walked - CHANGES_NOTHING.keys() == set()
    with harbour.store.read() as tx:
        assert verify(tx).problems == ()


def test_every_form_of_the_console_leaves_an_entry(
    harbour: Harbour, more: dict[str, str], browser: Browser, office: FastAPI
) -> None:
    walked = {"POST /apply"}
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/").text)
    assert csrf is not None
    for step in page_steps(harbour, more):
        before = newest(harbour)
        answer = browser.post(step.path, data={"csrf": csrf[1], **step.body}, follow_redirects=False)
        check(harbour, step, answer, before)
        walked.add(step.route)
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', browser.get("/apply").text)
    assert plan is not None
    before = newest(harbour)
    check(harbour, Step("POST /apply"), browser.fill_in("/apply", "/apply", plan=plan[1]), before)
    wanted = {route for route in changing(office) if "/admin/" not in route}
    assert len(wanted) > 25 and wanted - walked - CHANGES_NOTHING.keys() == set()


def test_looking_at_things_leaves_no_entry(harbour: Harbour, browser: Browser, admin: TestClient) -> None:
    before = newest(harbour)
    for path in ("/", "/customers", f"/customers/{harbour.blue}", "/audit", "/ledger?check=true"):
        assert browser.get(path).status_code == 200
    assert admin.get(f"/admin/v1/customers/{harbour.hai}/credit").status_code == 200
    assert newest(harbour) == before


def test_a_refused_act_leaves_no_entry(harbour: Harbour, admin: TestClient) -> None:
    assert admin.post("/admin/v1/credits", json={"customer": "nobody", "amount": "1.00"}).status_code == 404
    assert admin.post("/admin/v1/bill/close", json={"period": "2031-01"}).status_code >= 400
    assert newest(harbour) is None


def test_the_log_is_read_over_http_and_on_a_page(harbour: Harbour, admin: TestClient, browser: Browser) -> None:
    for number in range(3):
        admin.patch(f"/admin/v1/customers/{harbour.quiet}", json={"address": f"{number} Quay"})
    admin.put("/admin/v1/limits", json={"customer": harbour.blue, "product": "helpdesk", "units": 9})
    found = admin.get("/admin/v1/audit", params={"about": "Quiet Co", "limit": 2}).json()
    assert [one["changes"][0]["after"] for one in found] == [{"address": "2 Quay"}, {"address": "1 Quay"}]
    last = found[-1]["number"]
    older = admin.get("/admin/v1/audit", params={"about": "Quiet Co", "before": last}).json()
    assert len(older) == 1 and older[0]["changes"][0]["before"] == {"address": ""}
    assert admin.get("/admin/v1/audit", params={"since": "never"}).status_code == 422
    told = admin.get("/admin/v1/audit/verify").json()
    assert told["problems"] == [] and told["last"] == told["entries"]
    kept = f"{told['last']}:{told['head']}"
    assert admin.get("/admin/v1/audit/verify", params={"expect": kept}).json()["problems"] == []
    assert admin.get("/admin/v1/audit/verify", params={"expect": f"1:{'0' * 64}"}).json()["problems"]
    page = browser.get("/audit", params={"about": "Quiet Co"}).text
    assert "2 Quay" in page and "usage_limit" not in page and "the admin token" in page
    assert "The log is whole" in browser.get("/audit?check=true").text
    assert "日志完整" in browser.get("/audit?check=true&lang=zh-CN").text
