"""The PDF that a customer gets: complete, in its language, as things stand, and safe to make."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing.shop import Shop, open_shop, usd
from pydantic import ValidationError

from penstock.billing import catalogue, payments, undo
from penstock.billing.credits import add_credit
from penstock.billing.documents import printed
from penstock.billing.invoices import get_invoice, pdf, to_json
from penstock.billing.preview import preview
from penstock.billing.records import Invoice
from penstock.core.clock import SettableClock
from penstock.core.money import Money
from penstock.storage.engine import Store
from penstock.workspace.records import PaymentDetails

PAY_TO = PaymentDetails(
    account_name="Harbour AI Pte. Ltd.", iban="DE89 3704 0044 0532 0130 00", bic="COBADEFF", note="or PayNow 201912345K"
)
SELLER = {"address": "1 Pier Road\nSingapore 018956", "tax_id": "201912345K", "tax_rate": "6%"}


@pytest.fixture
def shop(sqlite_url: str, clock: SettableClock) -> Shop:
    """Documents do not depend on the database: SQLite alone will do."""
    from penstock.core.ids import random_ids
    from penstock.storage import migrate
    from penstock.storage.engine import open_engine

    migrate.upgrade(sqlite_url)
    return open_shop(Store(open_engine(sqlite_url), random_ids("org"), clock, random_ids), clock, **SELLER)


def busy_month(shop: Shop, **customer: str) -> Invoice:
    blue = shop.customer(**customer)
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, blue, "team")
        add_credit(tx, blue, usd("20.00"), "bank-1")
    shop.use(blue, 2_840)
    shop.wait_until("2026-12")
    shop.close("2026-11")
    shop.use(blue, 620)
    shop.use(blue, 74, product="translate")
    shop.use(blue, 35, time=shop.month("2026-11").end - timedelta(hours=3))
    shop.wait_until("2027-01")
    return shop.invoice("2026-12")


def text_of(document: bytes) -> str:
    from pypdf import PdfReader

    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages)


def test_an_invoice_as_pdf_says_all_that_matters(shop: Shop) -> None:
    invoice = busy_month(shop, address="12 Harbour Street\nHong Kong", tax_id="91330100MA2")
    text = text_of(pdf(invoice, PAY_TO))
    for part in (
        "Invoice", "Harbour AI", "201912345K", "Blue Shop", "12 Harbour Street", invoice.number, "Team",
        "Helpdesk router", "620 predictions", "included", "recorded after that month", "$49.00", "Tax 6%",
        "Amount due", "/v1/invoices/2027-000001/lines/LINE/events", "December 2026",
    ):  # fmt: skip
        assert part in text, f"{part} is missing in {text}"


def test_a_chinese_customer_reads_chinese(shop: Shop) -> None:
    text = (
        text_of(pdf(busy_month(shop, name="蓝色商店（上海）有限公司", locale="zh-CN"), PAY_TO))
        .replace(" ", "")
        .replace("\n", "")
    )
    for part in ("账单", "蓝色商店（上海）有限公司", "应付金额", "2026年12月"):
        assert part in text, f"{part} is missing in {text}"


def test_an_open_invoice_says_how_to_pay_and_a_paid_one_asks_for_nothing(shop: Shop) -> None:
    invoice = busy_month(shop)
    asked = text_of(pdf(invoice, PAY_TO))
    for part in (
        "Amount due",
        "Please pay by",
        "Pay to",
        "Harbour AI Pte. Ltd.",
        "DE89 3704 0044 0532 0130 00",
        "PayNow",
    ):
        assert part in asked, f"{part} is missing in {asked}"
    assert pdf(invoice, PAY_TO) == pdf(invoice, PAY_TO)
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice=invoice.number, amount=usd("10.00"), operation="p1")
        partly = get_invoice(tx, invoice.number)
        payments.pay(tx, invoice=invoice.number, amount=None, operation="p2")
        paid = get_invoice(tx, invoice.number)
    assert "-$10.00" in text_of(pdf(partly, PAY_TO)) and "Please pay by" in text_of(pdf(partly, PAY_TO))
    settled = text_of(pdf(paid, PAY_TO))
    assert "Invoice · Paid" in settled and "Nothing is due" in settled and "$0.00" in settled
    for part in ("Please pay", "Pay to", "DE89", "Due"):
        assert part not in settled, f"{part} stands in {settled}"


def cents(text: str) -> int:
    return int(text.replace("$", "").replace(",", "").replace(".", ""))


def adds_up(document: dict[str, Any]) -> bool:
    """Whether the total and all that is written below it sum to the amount in the box."""
    amounts = [cents(amount) for _, amount in document["totals"]]
    labels = [label for label, _ in document["totals"]]
    return sum(amounts[labels.index("Total") :]) == cents(document["due"])


@pytest.mark.parametrize(
    ("paid", "noted", "refunded", "title", "note"),
    [
        (None, None, None, "Invoice", "Please pay by"),
        ("all", None, None, "Invoice · Paid", "Paid in full. Nothing is due."),
        ("all", None, "3.00", "Invoice · Paid", "Paid in full. Nothing is due."),
        ("10.00", "5.00", None, "Invoice", "Please pay by"),
        ("10.00", "all", None, "Invoice · Refunded", "What was paid is refunded. Nothing is due."),
        (None, "all", None, "Invoice · Credited", "Credited in full. Nothing is due."),
    ],
)
def test_what_was_paid_credited_and_refunded_adds_up_to_what_is_due(
    shop: Shop, paid: str | None, noted: str | None, refunded: str | None, title: str, note: str
) -> None:
    shop.use(shop.customer(), 9_000, product="translate")
    shop.wait_until("2026-12")
    number = shop.invoice("2026-11").number

    def money(text: str) -> Money | None:
        return None if text == "all" else usd(text)

    with shop.store.transaction() as tx:
        if paid:
            payments.pay(tx, invoice=number, amount=money(paid), operation="p")
        if noted:
            undo.credit_note(tx, invoice=number, amount=money(noted), reason="r", operation="n", company=shop.company)
        if refunded:
            payments.refund(tx, invoice=number, amount=usd(refunded), operation="r", reason="r")
        document = printed(get_invoice(tx, number), PAY_TO)
    assert document["title"] == title
    assert document["note"].startswith(note)
    assert adds_up(document), document["totals"]


def test_credit_that_came_back_is_not_printed_as_paid(shop: Shop) -> None:
    blue = shop.customer()
    with shop.store.transaction() as tx:
        add_credit(tx, blue, usd("2.00"), "bank-1")
    shop.use(blue, 1_000, product="translate")
    shop.wait_until("2026-12")
    number = shop.invoice("2026-11").number
    with shop.store.transaction() as tx:
        assert "Paid from credit" in dict(printed(get_invoice(tx, number), PAY_TO)["totals"])
        payments.cancel_payment(tx, payment_operation=f"credit/{number}", operation="c")
        document = printed(get_invoice(tx, number), PAY_TO)
    assert [label for label, _ in document["totals"]] == ["Net amount", "Tax 6%", "Total"] and adds_up(document)


@pytest.mark.parametrize(("locale", "word"), [("en", "Draft"), ("zh-CN", "草稿")])
def test_a_draft_says_what_would_be_due_and_has_no_day_of_issue(shop: Shop, locale: str, word: str) -> None:
    shop.use(shop.customer(locale=locale), 1_000, product="translate")
    [one] = preview(shop.store.dry_run, shop.month("2026-11"), shop.company)
    assert isinstance(one, Invoice)
    document = printed(one, PAY_TO, draft=True)
    assert document["number"] == word and document["due"].endswith("$10.60") and document["pay_to"] == []
    assert document["facts"][0][1] == word and len(document["facts"]) == 2


def test_a_chinese_invoice_says_how_to_pay_in_chinese(shop: Shop) -> None:
    text = text_of(pdf(busy_month(shop, locale="zh-CN"), PAY_TO)).replace(" ", "")
    assert "收款信息" in text and "户名" in text and "DE89370400440532013000" in text


def test_a_day_is_the_sellers_day(shop: Shop) -> None:
    late = replace(busy_month(shop), due_at=datetime(2026, 12, 14, 16, 0, tzinfo=UTC))  # midnight in Shanghai
    assert to_json(late)["due_on"] == "2026-12-15" and "15 Dec 2026" in text_of(pdf(late, PAY_TO))


@pytest.mark.parametrize("iban", ["DE89 3704 0044 0532 0130 01", "DE89", "12345678901234567"])
def test_a_mistyped_iban_is_refused(iban: str) -> None:
    with pytest.raises(ValidationError, match="is not an IBAN"):
        PaymentDetails(iban=iban)


def test_a_name_full_of_markup_stays_a_name(shop: Shop) -> None:
    nasty = '#panic("x") *b* _i_ $x$ \\ "] #read("/etc/passwd") <a> @b'
    assert "".join(nasty.split()) in "".join(text_of(pdf(busy_month(shop, name=nasty), PAY_TO)).split())
