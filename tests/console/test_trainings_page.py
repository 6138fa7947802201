"""The runs of a product in the office: all of them, a page at a time, and the newest side by side."""

from __future__ import annotations

from decimal import Decimal

import pytest
from analytics.harbour import Harbour
from console.conftest import Browser
from registry.logbook import LOSS, failed, fill, record

from penstock.pipeline.runs import drawings
from penstock.registry.runs import put_curves


def test_a_products_runs_stand_newest_first_with_what_they_reached_and_why_one_failed(
    browser: Browser, harbour: Harbour
) -> None:
    assert "No runs yet" in browser.get("/products/helpdesk/runs").text
    with harbour.house.store.transaction() as tx:
        record(tx, "a", accuracy=0.9, cost=Decimal("0.25"))
        failed(tx, "b", "<b>out of memory</b>")
    page = browser.get("/products/helpdesk/runs").text
    assert "90.0%" in page and "88.0% – 92.0%" in page and "0.25" in page
    assert "&lt;b&gt;out of memory" in page and page.index("out of memory") < page.index("90.0%")
    assert 'href="/products/helpdesk/runs"' in browser.get("/products/helpdesk").text


def test_many_runs_come_in_pages(browser: Browser, harbour: Harbour) -> None:
    with harbour.house.store.transaction() as tx:
        fill(tx, 120)
    first = browser.get("/products/helpdesk/runs").text
    assert first.count("<td>trial</td>") == 50 and "?before=71" in first
    last = browser.get("/products/helpdesk/runs?before=21").text
    assert last.count("<td>trial</td>") == 20 and "?before=" not in last and "Newest" in last
    assert "试验" in browser.get("/products/helpdesk/runs?lang=zh-CN").text
    for wrong in ("0", "x", "9" * 30):
        assert browser.get(f"/products/helpdesk/runs?before={wrong}").status_code in (400, 422)


def test_the_newest_are_drawn_side_by_side(browser: Browser, harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "PATIENCE_S", 300.0)
    missing = browser.get("/products/tarot/runs/compared")
    assert missing.status_code == 404, missing.text
    with harbour.house.store.transaction() as tx:
        record(tx, "a", curves_blob=put_curves(harbour.house.blobs, {"loss": LOSS}))
        record(tx, "b", accuracy=0.8)
    page = browser.get("/products/helpdesk/runs/compared")
    assert page.status_code == 200 and "<svg" in page.text and "helpdesk/2" in page.text
