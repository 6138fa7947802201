"""The console in a real browser: axe-core finds nothing, pages fit a phone, and work in progress is followed.

Needs Chromium (/usr/bin/chromium or PENSTOCK_CHROMIUM). Without it these tests are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
import uvicorn
from analytics.harbour import Harbour, busy_harbour
from console.conftest import Runs

from penstock.console.office import build_office
from penstock.core.clock import SettableClock, SystemClock
from penstock.core.ids import random_ids
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine

SWITCHES = [
    f"--{name}"
    for name in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]
WIDTHS = (390, 1440)
LOOKS = [(width, scheme, lang) for width in WIDTHS for scheme in ("light", "dark") for lang in ("en", "zh-CN")]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe.min.js."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is missing: pip install axe-playwright-python")
    return (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")
    path = os.environ.get("PENSTOCK_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is missing: apt-get install chromium, or set PENSTOCK_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    folder = tmp_path_factory.mktemp("harbour")
    url = f"sqlite:///{folder / 'penstock.sqlite'}"
    migrate.upgrade(url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 10, 1, tzinfo=UTC)), random_ids)
    found = busy_harbour(folder, store)
    found.clock.set(SystemClock().now())  # the browser's cookies are dated by the real clock
    yield found
    store.close()


@pytest.fixture(scope="module")
def jobs() -> Runs:
    return Runs()


@pytest.fixture(scope="module")
def address(company: Harbour, jobs: Runs) -> Iterator[str]:
    """The office over real HTTP."""
    app = build_office(company.house, jobs, company.house.secret("admin"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        app.state.live.close()
        server.should_exit = True
        thread.join(10)


def signed_in(chromium: Any, address: str, company: Harbour, width: int, scheme: str, lang: str) -> Any:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("input[name=token]", company.house.secret("admin").decode())
    page.click("button")
    context.add_cookies([{"name": "penstock_language", "value": lang, "url": address}])
    return page


def pages(company: Harbour) -> list[str]:
    return [
        "/",
        "/products",
        "/products/helpdesk",
        "/products/helpdesk/candidates/2",
        "/products/helpdesk/runs",
        "/try",
        "/feedback?state=all",
        "/opinion",
        "/prices",
        "/apply",
        "/customers",
        f"/customers/{company.blue}",
        "/invoices",
        f"/invoices/{company.invoices[company.blue]}",
        "/partners",
        f"/partners/{company.partner}",
        "/ledger?check=true",
        "/audit?check=true",
        "/operators",
    ]


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    chromium: Any, address: str, company: Harbour, axe: str, width: int, scheme: str, lang: str
) -> None:
    page = signed_in(chromium, address, company, width, scheme, lang)
    found = []
    for path in pages(company):
        answer = page.goto(f"{address}{path}")
        assert answer.status == 200, path
        page.evaluate(axe)
        report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [(path, one["id"], one["nodes"][0]["target"]) for one in report["violations"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append((path, "wider than the screen", width))
    page.context.close()
    assert found == []


def test_a_phone_shows_where_one_is(chromium: Any, address: str, company: Harbour) -> None:
    page = signed_in(chromium, address, company, 390, "light", "en")
    page.goto(f"{address}/apply")
    box = page.locator(".side nav [aria-current]").bounding_box()
    page.context.close()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_a_report_fits_a_phone(chromium: Any, address: str, company: Harbour) -> None:
    page = signed_in(chromium, address, company, 390, "light", "en")
    page.goto(f"{address}/products/helpdesk/candidates/2")
    page.wait_for_selector("figure svg >> visible=true", timeout=60_000)  # drawn by another process the first time
    assert page.evaluate("document.documentElement.scrollHeight") < 6_000
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().right))"
    )
    assert 0 < widest <= 390
    page.context.close()


def test_the_end_of_a_job_changes_the_page_without_a_reload(
    chromium: Any, address: str, company: Harbour, jobs: Runs
) -> None:
    page = signed_in(chromium, address, company, 1440, "light", "en")
    page.goto(f"{address}/products/helpdesk")
    page.evaluate("window.sameDocument = true")
    run = jobs.start("train", {"product": "helpdesk", "rungs": []})
    page.wait_for_selector(".job", timeout=10_000)
    jobs.ended_as[run.id] = {}
    page.wait_for_selector(".job", state="detached", timeout=10_000)
    assert page.evaluate("window.sameDocument") is True
    page.context.close()


def test_without_javascript_the_page_says_how_to_refresh(
    chromium: Any, address: str, company: Harbour, jobs: Runs
) -> None:
    page = signed_in(chromium, address, company, 1440, "light", "en")
    run = jobs.start("train", {"product": "kefu", "rungs": []})
    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(f"{address}/products/kefu")
    assert plain.get_by_role("link", name="Refresh").is_visible()
    assert plain.locator(".job").count() == 1
    jobs.ended_as[run.id] = {}
    context.close()
    page.context.close()
