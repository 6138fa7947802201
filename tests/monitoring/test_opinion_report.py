"""The monthly report: right sums, in two languages, as one page and as PDF, whatever the documents say."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from monitoring.opinion_house import day_of_documents, open_shop, usual_days

from penstock.core.errors import NotFound
from penstock.runtime.house import House
from penstock.storage import migrate
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.tasks.opinion import report_pages
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.report import Month
from penstock.tasks.opinion.stream import customer_id, detect, record_directly, report

NOW = datetime(2026, 11, 15, tzinfo=UTC)
EVIL = "Tidebank <script>alert('x')</script> #eval(1) $x$ \\ 到底 never again"


@pytest.fixture(scope="session", params=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url")
    migrate.upgrade(url)
    return url


@pytest.fixture
def house(store: Store, blobs: BlobStore, tmp_path: Path) -> House:
    house, customer = open_shop(store, blobs, tmp_path / "shop")
    start = datetime(2026, 9, 1, tzinfo=UTC)
    record_directly(house, "brands", customer, usual_days(start, 61))
    storm = {"Harbour Air": {"negative": 15, "neutral": 5}}
    for day in (45, 46):
        record_directly(house, "brands", customer, day_of_documents(start + timedelta(days=day), storm, "s"))
    odd = Document(EVIL, datetime(2026, 10, 3, tzinfo=UTC), "odd", "forum", "https://x.example/?a=<b>")
    record_directly(house, "brands", "cus_other", [odd])
    detect(house, "brands")
    return house


def october(house: House, customer: str | None = None) -> Month:
    return report(house, "brands", "2026-10", customer)


def test_the_sums_are_those_of_the_documents(house: House) -> None:
    month = october(house)
    assert [(one.name, one.mentions, one.before) for one in month.entities] == [
        ("Harbour Air", 31 * 4 + 40, 30 * 4),
        ("Tidebank", 31 * 2 + 1, 30 * 2),
    ]
    air = month.entities[0]
    assert (air.negative, air.neutral, air.positive) == (31 + 30, 62 + 10, 31)
    assert sum(air.by_day) == air.mentions and len(air.by_day) == 31 and max(air.by_day) == 24
    assert month.documents == month.naming == 31 * 6 + 40 + 1
    assert {one.kind for one in month.alerts} == {"volume", "negative"}
    assert {tone for tone, _ in air.quotes} == {"negative", "positive"}


def test_a_customer_sees_its_own_documents_only(house: House) -> None:
    quay = customer_id(house, "Quay PR")
    month = october(house, quay)
    assert month.documents == 31 * 6 + 40
    other = october(house, "cus_other")
    assert (other.documents, other.alerts, [one.mentions for one in other.entities]) == (1, (), [1, 0])
    assert customer_id(house, None) is None
    with pytest.raises(NotFound):
        customer_id(house, "nobody")


def test_the_page_stands_alone_and_quotes_safely_in_both_languages(house: House) -> None:
    for locale, words in (("en", ("October 2026", "Mentions per day")), ("zh-CN", ("2026年10月", "每日提及数"))):
        page = report_pages.html(october(house), customer="Quay <PR>", locale=locale)
        assert all(word in page for word in words)
        assert "<script" not in page and "&lt;script&gt;" in page and "Quay &lt;PR&gt;" in page
        fetched = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?(https?:[^"\')\s>]+)', page)
        assert set(fetched) <= {"https://x.example/?a=&lt;b&gt;"}  # a link to a source; nothing that loads
        assert page.count("<svg") == 2 and page.count("<details>") == 2 and page.count("<table>") == 3


def test_the_pdf_says_the_same_and_runs_nothing(house: House) -> None:
    from pypdf import PdfReader

    month = october(house)
    for locale, words in (("en", ("October 2026", "Mentions")), ("zh-CN", ("舆情报告", "提及"))):
        content = report_pages.pdf(month, customer="Quay PR", locale=locale, now=NOW)
        text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
        assert all(word in text for word in words)
        assert "#eval(1)" in text and "Harbour Air" in text
    assert content == report_pages.pdf(month, customer="Quay PR", locale="zh-CN", now=NOW)


def test_a_month_without_documents_is_a_report_too(house: House) -> None:
    month = report(house, "brands", "2026-01", None)
    assert month.documents == 0
    assert "No document named" in report_pages.html(month, customer="", locale="en")
    assert report_pages.pdf(month, customer="", locale="en", now=NOW).startswith(b"%PDF")
