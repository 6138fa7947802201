"""Prices, apply, opinion, feedback and a partner's outlook: what the operator sees and does there."""

from __future__ import annotations

import re
from datetime import timedelta

from analytics.harbour import TOML, Harbour
from console.conftest import Browser

from penstock.monitoring import feedback
from penstock.monitoring.review import state_counts


def rewrite(harbour: Harbour, before: str, after: str) -> None:
    (harbour.house.folder / "penstock.toml").write_text(TOML.replace(before, after), encoding="utf-8")


def test_a_new_price_is_shown_with_its_day_then_published_and_stands_among_the_prices(
    browser: Browser, harbour: Harbour
) -> None:
    assert "0.0040 USD" in browser.get("/prices").text
    rewrite(harbour, 'unit_price = "0.0030"', 'unit_price = "0.0050"')
    page = browser.get("/apply").text
    assert "products.kefu.price" in page and "2026-12-01" in page
    plan = re.search(r'name="plan" value="([0-9a-f]+)"', page)
    assert plan is not None
    assert "Published." in browser.fill_in("/apply", "/apply", plan=plan[1], sure="yes").text
    prices = browser.get("/prices").text
    assert "to come" in prices and "2026-12-01" in prices and "0.0050 USD" in prices


def test_what_changed_since_it_was_shown_is_not_published(browser: Browser, harbour: Harbour) -> None:
    rewrite(harbour, 'unit_price = "0.0030"', 'unit_price = "0.0050"')
    refused = browser.fill_in("/apply", "/apply", plan="0" * 64, sure="yes")
    assert refused.status_code == 409 and "has changed since this was shown" in refused.text
    assert "0.0050" not in browser.get("/prices").text


def test_a_file_that_cannot_be_read_is_told_and_the_old_one_serves_on(browser: Browser, harbour: Harbour) -> None:
    rewrite(harbour, 'task = "text-classification"', "task = 7")
    assert "cannot be applied" in browser.get("/apply").text
    assert browser.get("/products/helpdesk").status_code == 200
    rewrite(harbour, 'currency = "USD"', 'currency = "EUR"')
    assert "has changed while the office runs" in browser.get("/apply").text
    assert "$" in browser.get("/").text


def test_pages_without_anything_say_how_to_begin(browser: Browser) -> None:
    assert "penstock init opinions" in browser.get("/opinion").text
    assert browser.get("/opinion/helpdesk").status_code == 422
    assert "unpriced" not in browser.get("/prices").text


def correction(harbour: Harbour, label: str | list[str]) -> str:
    request = harbour.use(harbour.blue, "helpdesk", 1)
    with harbour.store.transaction() as tx:
        return feedback.record(
            tx, customer=harbour.blue, request_id=request, index=0, correction=label, proposes=lambda product: True
        ).id


def test_message_answer_and_correction_stand_side_by_side_and_one_click_decides(
    browser: Browser, harbour: Harbour
) -> None:
    one, other = correction(harbour, "billing"), correction(harbour, "delivery")
    page = browser.get("/feedback").text
    assert "where is my parcel" in page and page.count("data-card") == 3
    done = browser.fill_in("/feedback", "/feedback/accept", id=one, state="waiting", following=other)
    assert "learns from it" in done.text and done.url.fragment == other
    browser.fill_in("/feedback", "/feedback/reject", id=other, state="waiting")
    with harbour.store.read() as tx:
        assert state_counts(tx)["helpdesk"] == {"waiting": 1, "accepted": 1, "rejected": 1}
    page = browser.get("/feedback?state=all").text
    assert "1 accepted, not yet trained on" in page and "1 rejected" in page


def test_corrections_of_several_labels_read_as_labels_in_both_languages(browser: Browser, harbour: Harbour) -> None:
    correction(harbour, ["billing", "delivery"])
    correction(harbour, [])
    english, chinese = browser.get("/feedback").text, browser.get("/feedback?lang=zh-CN").text
    assert "billing, delivery" in english and "no label" in english
    assert "billing, delivery" in chinese and "无标签" in chinese


def test_all_of_a_key_that_waits_is_rejected_at_once(browser: Browser, harbour: Harbour) -> None:
    correction(harbour, "billing")
    browser.fill_in("/feedback", "/feedback/reject-all", key="key")  # the key that the harbour's use is made with
    with harbour.store.read() as tx:
        assert state_counts(tx)["helpdesk"] == {"rejected": 2}
    assert "0 waiting" in browser.get("/feedback").text


def test_a_partner_without_a_payout_says_why_and_until_when(browser: Browser, harbour: Harbour) -> None:
    page = browser.get(f"/partners/{harbour.partner}").text
    assert "Why nothing can be paid out now" in page and "is held" in page and "becomes payable on" in page
    harbour.clock.advance(timedelta(days=60))
    assert "Why nothing" not in browser.get(f"/partners/{harbour.partner}").text
