"""What the operator sees and does in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from analytics.harbour import Harbour
from console.conftest import Browser, Runs

from penstock.analytics.belongings import AUDIT
from penstock.channels import agreements
from penstock.console import words
from penstock.console.chinese import CHINESE
from penstock.console.pages import overview
from penstock.identity.customers import add_customer
from penstock.pipeline.privacy.customer_erasure import ADVICE, AUDIT_WHY, ERASED, KEPT
from penstock.pipeline.runs import drawings
from penstock.storage.audit import Wanted, entries
from penstock.workspace.loader import load

TEMPLATES = Path(words.__file__).parent / "templates"


def pages(harbour: Harbour) -> list[str]:
    number = harbour.invoices[harbour.blue]
    return [
        "/",
        "/?period=2026-10",
        "/products",
        "/products/helpdesk",
        "/products/kefu",
        "/customers",
        "/customers?archived=yes",
        f"/customers/{harbour.quiet}/plan?plan=team",
        f"/customers/{harbour.quiet}/erase",
        "/customers?q=blue",
        f"/customers/{harbour.blue}",
        f"/customers/{harbour.hai}",
        "/invoices",
        "/invoices?period=2026-10&state=open",
        f"/invoices/{number}",
        f"/invoices/{number}/lines/2",
        "/partners",
        f"/partners/{harbour.partner}?period=2026-11",
        "/ledger?check=true",
        "/feedback",
        "/feedback?state=all",
        "/products/helpdesk/candidates/2",
        "/products/helpdesk/runs",
        "/try",
        "/prices",
        "/opinion",
        "/apply",
    ]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_opens_in_both_languages(browser: Browser, harbour: Harbour, language: str) -> None:
    browser.cookies.set("penstock_language", language)
    for path in pages(harbour):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}">' in answer.text
        for tag in re.findall(
            r"<(?:script(?! src=\"/static/)|style)|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", answer.text
        ):
            pytest.fail(f"{path} holds {tag!r}, which its content policy forbids")


def test_every_phrase_has_its_chinese() -> None:
    phrases = set(words.DONE.values()) | set(overview._WORDS.values())
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        phrases |= {first or second for first, second in re.findall(r"""\bt\(\s*(?:"([^"]*)"|'([^']*)')""", text)}
    phrases |= {
        *ERASED.values(),
        *KEPT.values(),
        *(name.replace("_", " ") for name in (*KEPT, AUDIT)),
        ADVICE,
        AUDIT_WHY,
    }
    assert len(phrases) > 150
    assert sorted(phrases - CHINESE.keys()) == []


def test_chinese_phrases_keep_the_names_that_are_filled_in() -> None:
    names = re.compile(r"\{\w+\}")
    different = [
        phrase
        for phrase, chinese in {**CHINESE, **words.ONE}.items()
        if set(names.findall(phrase)) != set(names.findall(chinese))
    ]
    assert different == []


def test_the_language_is_the_companys_until_the_reader_chooses(browser: Browser) -> None:
    assert "Overview" in browser.get("/").text
    assert "概览" in browser.get("/?lang=zh-CN").text
    assert "概览" in browser.get("/").text
    assert "概览" in browser.get("/?lang=xx").text


def test_the_overview_shows_what_waits_and_what_was_earned(browser: Browser) -> None:
    page = browser.get("/").text
    assert "helpdesk: 1 correction is not trained on yet" in page
    assert "kefu has no model yet" in page
    assert "$52.16" in page and "release 1" in page


def test_a_name_that_looks_like_markup_is_shown_as_text(browser: Browser) -> None:
    name = "<script>alert(1)</script>"
    page = browser.fill_in("/customers", "/customers", name=name, email="x@example.com")
    assert "<script>" not in page.text and "&lt;script&gt;" in page.text


def test_a_payment_is_recorded_once_however_often_the_form_is_sent(browser: Browser, harbour: Harbour) -> None:
    number = harbour.invoices[harbour.blue]
    for _ in range(2):
        done = browser.fill_in(
            f"/invoices/{number}", f"/invoices/{number}/pay", amount="10.00", operation="bank 9", method="bank"
        )
        assert "The payment is recorded." in done.text and "$17.24" in done.text
    refused = browser.fill_in(
        f"/invoices/{number}", f"/invoices/{number}/pay", amount="100.00", operation="bank 10", method="bank"
    )
    assert refused.status_code == 409 and "more than the open amount" in refused.text
    assert 'value="100.00"' in refused.text and 'value="bank 10"' in refused.text


def test_a_refund_shows_on_the_invoice(browser: Browser, harbour: Harbour) -> None:
    number = harbour.invoices[harbour.blue]
    path = f"/invoices/{number}"
    done = browser.fill_in(path, f"{path}/refund", amount="2.00", operation="back 2", reason="late answer")
    assert "late answer" in done.text and "-$2.00" in done.text


def test_a_new_key_is_shown_once(browser: Browser, harbour: Harbour) -> None:
    path = f"/customers/{harbour.quiet}"
    made = browser.fill_in(path, f"{path}/key", name="shop", product="helpdesk", requests_per_minute="60", days="30")
    key = re.search(r"sk_live_\w{12}_\w{34}", made.text)
    assert key is not None
    page = browser.get(path).text
    assert key[0] not in page and "shop" in page
    revoked = browser.fill_in(path, f"{path}/revoke", key=key[0].split("_")[2])
    assert "Revoked" in revoked.text


def test_another_customers_key_cannot_be_revoked_here(browser: Browser, harbour: Harbour) -> None:
    blue, hai = f"/customers/{harbour.blue}", f"/customers/{harbour.hai}"
    key = re.search(r"…_(\w{12})_…", browser.get(blue).text)
    assert key is not None
    browser.fill_in(hai, f"{hai}/key", name="own")
    assert browser.fill_in(hai, f"{hai}/revoke", key=key[1]).status_code == 404


def test_plan_limit_credit_and_consent_are_changed_by_forms(browser: Browser, harbour: Harbour) -> None:
    path = f"/customers/{harbour.quiet}"
    ask = f"{path}/plan?plan=team"
    preview = browser.get(ask).text
    assert "all of 2026-11" in preview and "$49.00" in preview
    assert "since 2026-11-15" in browser.fill_in(ask, f"{path}/plan", plan="team").text
    assert "9,000 units a month" in browser.fill_in(path, f"{path}/limit", product="helpdesk", units="9,000").text
    assert "of 50 USD used" in browser.fill_in(path, f"{path}/spend-limit", amount="50.00").text
    assert "of 50 USD used" not in browser.fill_in(path, f"{path}/spend-limit", amount="").text
    page = browser.fill_in(path, f"{path}/credit", amount="5.00", operation="wire 3").text
    assert "By invoice: it is served whatever it owes" in page and "$5.00" in page
    assert "Record its withdrawal" in browser.fill_in(path, f"{path}/consent", training="yes").text
    for not_whole in ("many", "1,5", "٣", "1_000"):
        assert browser.fill_in(path, f"{path}/limit", product="helpdesk", units=not_whole).status_code == 422
    for not_exact in ("0.005", "1_000", "٣"):
        assert browser.fill_in(path, f"{path}/credit", amount=not_exact, operation="wire 4").status_code == 422
    assert "it costs nothing" in browser.get(f"{path}/plan?plan=").text
    assert browser.fill_in(f"{path}/plan?plan=", f"{path}/plan", plan="").status_code == 200


def test_a_customer_is_edited_and_its_address_cleared(browser: Browser, harbour: Harbour) -> None:
    path = f"/customers/{harbour.quiet}"
    filled = {"name": "Quiet & Co", "email": "new@quiet.example.com", "locale": "zh-CN"}
    browser.fill_in(path, f"{path}/edit", **filled, address="1 Quay", tax_id="T1")
    done = browser.fill_in(path, f"{path}/edit", **filled, address="", tax_id="T1")
    assert "Issued invoices keep what they say" in done.text and "Quiet &amp; Co" in done.text
    assert "1 Quay" not in done.text and 'value="T1"' in done.text
    refused = browser.fill_in(path, f"{path}/edit", **{**filled, "name": "blue shop"})
    assert refused.status_code == 409 and harbour.blue in refused.text


@pytest.mark.parametrize(("language", "archived"), [("en", "archived since"), ("zh-CN", "归档")])
def test_a_customer_is_archived_hidden_and_taken_back(
    browser: Browser, harbour: Harbour, language: str, archived: str
) -> None:
    browser.cookies.set("penstock_language", language)
    blue, quiet = f"/customers/{harbour.blue}", f"/customers/{harbour.quiet}"
    assert browser.fill_in(blue, f"{blue}/archive").status_code == 409  # October is not paid in full
    assert archived in browser.fill_in(quiet, f"{quiet}/archive").text
    assert "Quiet Co" not in browser.get("/customers").text
    assert "Quiet Co" in browser.get("/customers?archived=yes").text
    assert browser.fill_in(quiet, f"{quiet}/key", name="late").status_code == 409
    assert browser.fill_in(quiet, f"{quiet}/unarchive").status_code == 200
    assert "Quiet Co" in browser.get("/customers").text


@pytest.mark.parametrize(
    ("language", "waits", "name_wrong", "done"),
    [
        ("en", "Settle this first", "is not the customer", "Record of the erasure"),
        ("zh-CN", "请先结清", "这不是该客户的名称", "清除记录"),
    ],
)
def test_a_customer_is_erased_after_a_look_by_typing_its_name(
    browser: Browser, harbour: Harbour, language: str, waits: str, name_wrong: str, done: str
) -> None:
    browser.cookies.set("penstock_language", language)
    path = f"/customers/{harbour.blue}/erase"
    looked = browser.get(path).text
    assert waits in looked and 'value="10"' in looked  # October is not paid in full
    assert browser.fill_in(path, path, name="Blue Shop", keep_years="10").status_code == 409
    with harbour.store.transaction() as tx:
        made = add_customer(tx, name="Gone & Co", email="pay@gone.example.com").id
    path = f"/customers/{made}/erase"
    assert waits not in browser.get(path).text and f'href="{path}"' in browser.get(f"/customers/{made}").text
    for typed in ("Gone", "gone & co", "Erased"):
        back = browser.fill_in(path, path, name=typed, keep_years="7")
        assert back.status_code == 422 and name_wrong in back.text and 'value="7"' in back.text
    told = browser.fill_in(path, path, name="Gone & Co", keep_years="7", reason="asked on 1 December")
    assert told.status_code == 200 and done in told.text and "asked on 1 December" in told.text
    assert f"Erased {made}" in told.text and "Gone &amp; Co" not in told.text and f'action="{path}"' not in told.text
    with harbour.store.read() as tx:
        newest = entries(tx, Wanted(), 1)[0]
    assert (newest.who, newest.act) == ("the admin token", "POST /customers/{customer}/erase")


def test_a_customers_data_are_taken_away_by_a_form(browser: Browser, harbour: Harbour) -> None:
    path = f"/customers/{harbour.blue}"
    taken = browser.fill_in(path, f"{path}/export")
    assert taken.headers["content-type"] == "application/zip" and taken.content.startswith(b"PK")


@pytest.mark.parametrize(
    ("language", "held", "done"), [("en", "Held for review", "Decided."), ("zh-CN", "待审核", "已处理。")]
)
def test_a_suspect_referral_is_seen_and_decided_on(
    browser: Browser, harbour: Harbour, language: str, held: str, done: str
) -> None:
    browser.cookies.set("penstock_language", language)
    facts = {"name": "Reed Buying", "email": "buying@reed.example.com", "ref": "REED"}
    added = browser.fill_in("/customers", "/customers", **facts)
    assert held in added.text and "reed.example.com" in added.text
    path = f"/partners/{harbour.partner}"
    assert f'href="{path}"' in browser.get("/").text and held in browser.get(path).text
    customer = added.url.path.rpartition("/")[2]
    said = {"customer": customer, "verdict": "reject"}
    assert browser.fill_in(path, f"{path}/review", **said).status_code == 422
    answer = browser.fill_in(path, f"{path}/review", **said, reason="the same company")
    assert done in answer.text and "the same company" in answer.text
    assert held not in browser.get(f"/customers/{customer}").text


def test_a_partner_is_moved_to_newer_terms(browser: Browser, harbour: Harbour) -> None:
    path = f"/partners/{harbour.partner}"
    assert "Newer terms" not in browser.get(path).text
    file = harbour.house.folder / "penstock.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('share = "20%"', 'share = "30%"'), encoding="utf-8")
    with harbour.store.transaction() as tx:
        agreements.publish(tx, load(harbour.house.folder))
    assert (
        "30% instead of 20%" in browser.get(path).text
        and "1 customer it brought before keeps" in browser.get(path).text
    )
    done = browser.fill_in(path, f"{path}/move").text
    assert "referral v2" in done and "Newer terms are out" not in done


def test_terms_are_changed_by_a_form_that_says_what_it_means(browser: Browser, harbour: Harbour) -> None:
    path = f"/customers/{harbour.blue}"
    assert "It would stop at once: " in browser.get(path).text
    page = browser.fill_in(path, f"{path}/terms", terms="prepaid").text
    assert "gateways follow within a second" in page and "Change to: by invoice" in page and "-$" in page
    assert browser.fill_in(path, f"{path}/terms", terms="barter").status_code == 422
    browser.cookies.set("penstock_language", "zh-CN")
    assert "改为预付后将立即停止服务" in browser.fill_in(path, f"{path}/terms", terms="invoice").text


def test_an_invoice_is_credited_and_voided_by_forms(browser: Browser, harbour: Harbour) -> None:
    path = f"/invoices/{harbour.invoices[harbour.blue]}"
    assert "Void…" not in browser.get(path).text  # a part of it is paid
    page = browser.fill_in(path, f"{path}/credit-note", amount="10.60", operation="n 1", reason="one line twice").text
    assert "CN-2026-000001" in page and "one line twice" in page and "$16.64" in page
    assert browser.get(f"{path}/notes/CN-2026-000001").headers["content-type"] == "application/pdf"
    assert browser.get(f"{path}/notes/CN-2026-000009").status_code == 404
    again = browser.fill_in(path, f"{path}/credit-note", amount="45.00", operation="n 2", reason="all of it")
    assert again.status_code == 409 and "penstock invoice credit-note" in again.text


def test_an_overpayment_is_kept_and_credit_taken_by_forms(browser: Browser, harbour: Harbour) -> None:
    path = f"/invoices/{harbour.invoices[harbour.blue]}"
    assert "$27.24" in browser.get(path).text  # open: of 57.24, 30.00 is paid
    browser.fill_in(f"/customers/{harbour.blue}", f"/customers/{harbour.blue}/credit", amount="7.24", operation="w 1")
    taken = browser.fill_in(path, f"{path}/pay", amount="7.24", operation="w 2", from_credit="yes").text
    assert "credit" in taken and "$20.00" in taken
    assert browser.fill_in(path, f"{path}/pay", amount="25.00", operation="w 3", method="bank").status_code == 409
    browser.fill_in(path, f"{path}/pay", amount="25.00", operation="w 3", method="bank", keep_rest="yes")
    assert "Everything is paid." in browser.get(path).text
    assert "$5.00" in browser.get(f"/customers/{harbour.blue}").text


def test_a_product_page_has_the_ladder_the_reasons_and_the_report(
    browser: Browser, harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.get("/products/helpdesk").text
    assert "frozen-linear.v1" in page and "ngram-linear.v1" in page
    assert "needs &gt;= 0.8: no" in page
    monkeypatch.setattr(drawings, "PATIENCE_S", 300.0)
    drawn = browser.get("/products/helpdesk/candidates/2").text
    assert 'href="/products/helpdesk"' in drawn and "<svg" in drawn
    alone = browser.get("/products/helpdesk/candidates/2/report.html")
    assert alone.status_code == 200 and "sandbox" in alone.headers["content-security-policy"]
    assert "attachment" in alone.headers["content-disposition"]


def test_a_candidate_is_released_and_rolled_back_from_its_product(browser: Browser, harbour: Harbour) -> None:
    better = harbour.candidate("helpdesk", "full-finetune.v1", 117)
    path = "/products/helpdesk"
    assert "release 2" in browser.fill_in(path, f"{path}/release", candidate=better.id).text
    assert "release 1" in browser.fill_in(path, f"{path}/rollback").text
    refused = browser.fill_in(path, f"{path}/train")
    assert "Training has begun" in refused.text


def test_only_candidates_that_can_be_released_have_a_button(browser: Browser, harbour: Harbour) -> None:
    assert "/products/helpdesk/release" not in browser.get("/products/helpdesk").text
    harbour.candidate("helpdesk", "full-finetune.v1", 117)
    assert browser.get("/products/helpdesk").text.count('action="/products/helpdesk/release"') == 1


def test_training_and_closing_show_as_work_in_progress(browser: Browser, runs: Runs) -> None:
    browser.fill_in("/products/kefu", "/products/kefu/train")
    browser.fill_in("/invoices", "/invoices", period="2026-10")
    page = browser.get("/").text
    assert page.count("waiting for its first step") == 2 and "kefu" in page
    assert [run.name for run in runs.started] == ["train", "close"]


def test_a_partners_statement_can_be_read_and_taken_away(browser: Browser, harbour: Harbour) -> None:
    page = browser.get(f"/partners/{harbour.partner}").text
    assert "$5.66" in page and "held" in page
    csv = browser.get(f"/partners/{harbour.partner}/statement.csv?period=2026-11")
    assert csv.headers["content-type"].startswith("text/csv")
    added = browser.fill_in("/partners", "/partners", name="Sail Ltd", email="sail@example.com", agreement="referral")
    assert "Sail Ltd" in added.text


def test_the_ledger_page_checks_the_books(browser: Browser) -> None:
    assert "every invariant holds" not in browser.get("/ledger").text
    assert "every invariant holds" in browser.get("/ledger?check=true").text


def test_what_does_not_exist_is_a_page_that_says_so(browser: Browser) -> None:
    for path in ("/nowhere", "/products/tarot", "/customers/nobody", "/invoices/none", "/partners/none"):
        answer = browser.get(path)
        assert answer.status_code in (404, 422) and "<h1>" in answer.text, path


def test_a_long_list_comes_in_parts(browser: Browser, harbour: Harbour) -> None:
    with harbour.store.transaction() as tx:
        for number in range(120):
            add_customer(tx, name=f"Shop {number:03d}", email=f"shop{number}@example.com")
    first, second = browser.get("/customers").text, browser.get("/customers?page=2").text
    assert "Shop 010" in first and "Shop 010" not in second
    assert "Shop 119" in second and "Part 2 of 2" in second
    assert browser.get("/customers?page=99").text.count("Part 2 of 2") == 1


@pytest.mark.parametrize(("language", "word"), [("en", "draft"), ("zh-CN", "草稿")])
def test_a_month_is_looked_at_before_it_is_closed(browser: Browser, harbour: Harbour, language: str, word: str) -> None:
    browser.cookies.set("penstock_language", language)
    page = browser.get("/preview?period=2026-11").text
    assert 'href="/invoices" aria-current="page"' in page  # the navigation shows the section it belongs to
    assert word in page and "Blue Shop" in page and f"/preview/{harbour.blue}/pdf?period=2026-11" in page
    assert browser.get(f"/preview/{harbour.blue}/pdf?period=2026-11").content.startswith(b"%PDF")
    assert harbour.invoices[harbour.blue] in browser.get("/preview?period=2026-10").text


def test_without_a_mail_server_nothing_offers_to_mail(browser: Browser, harbour: Harbour) -> None:
    assert "Send by e-mail" not in browser.get(f"/invoices/{harbour.invoices[harbour.blue]}").text
