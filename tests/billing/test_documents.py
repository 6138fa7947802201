"""The PDF that a customer gets: complete, in its language, the same bytes each time, and safe to make."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from billing.shop import Shop, open_shop, usd

from penstock.billing import catalogue, payments
from penstock.billing.credits import add_credit
from penstock.billing.invoices import get_invoice, pdf
from penstock.billing.records import Invoice
from penstock.core.clock import SettableClock
from penstock.storage.engine import Store

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
    text = text_of(pdf(invoice))
    for part in (
        "Invoice", "Harbour AI", "201912345K", "Blue Shop", "12 Harbour Street", invoice.number, "Team",
        "Helpdesk router", "620 predictions", "included", "recorded after that month", "$49.00", "Tax 6%",
        "Amount due", "/v1/invoices/2027-000001/lines/LINE/events", "December 2026",
    ):  # fmt: skip
        assert part in text, f"{part} is missing in {text}"


def test_a_chinese_customer_reads_chinese(shop: Shop) -> None:
    text = (
        text_of(pdf(busy_month(shop, name="蓝色商店（上海）有限公司", locale="zh-CN")))
        .replace(" ", "")
        .replace("\n", "")
    )
    for part in ("账单", "蓝色商店（上海）有限公司", "应付金额", "2026年12月"):
        assert part in text, f"{part} is missing in {text}"


def test_the_same_invoice_gives_the_same_bytes_whatever_was_paid_since(shop: Shop) -> None:
    invoice = busy_month(shop)
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice=invoice.number, amount=usd("10.00"), operation="p1")
        paid = get_invoice(tx, invoice.number)
    assert pdf(invoice) == pdf(invoice) == pdf(paid)


def test_a_name_full_of_markup_stays_a_name(shop: Shop) -> None:
    nasty = '#panic("x") *b* _i_ $x$ \\ "] #read("/etc/passwd") <a> @b'
    assert "".join(nasty.split()) in "".join(text_of(pdf(busy_month(shop, name=nasty))).split())
