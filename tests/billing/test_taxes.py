"""Tax at the rate of the month of use: dated rates, customers with their own, several rates on one invoice."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from billing.shop import Shop, open_shop, usd, workspace

from penstock.billing import accrual, catalogue, ledger, undo
from penstock.billing.invoices import pdf, to_json
from penstock.billing.records import Invoice
from penstock.billing.register import get_invoice
from penstock.billing.taxes import Rates, rates_of, set_customer_rate
from penstock.billing.verification import verify
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    """A shop at 6% since its beginning, which is in November 2026."""
    return open_shop(store, clock, tax_rate="6%")


def apply(shop: Shop, **company: Any) -> None:
    space = workspace(**company)
    with shop.store.transaction() as tx:
        catalogue.publish(tx, space)


def own_rate(shop: Shop, customer: str, rate: str, start: str, reason: str = "reverse charge, DE123456789") -> None:
    with shop.store.transaction() as tx:
        set_customer_rate(tx, customer, rate, start=start, reason=reason, timezone=shop.company.timezone)


def in_force(shop: Shop, month: str, customer: str = "") -> str:
    with shop.store.read() as tx:
        rates: Rates = rates_of(tx, [customer])
        return f"{rates.of(customer, shop.month(month).start).rate:f}"


def two_rates(shop: Shop) -> Invoice:
    """One invoice of January: 100.00 at 8%, and 10.00 of late use of December, when the rate was 6%."""
    customer = shop.customer()
    shop.wait_until("2026-12", 10)
    apply(shop, tax_rate="8%")
    shop.wait_until("2027-01", 5)
    shop.use(customer, 10_000, "translate")
    shop.wait_until("2027-02")
    shop.close("2026-12")
    shop.use(customer, 1_000, "translate", time=shop.month("2026-12").end - timedelta(hours=3))
    return shop.invoice("2027-01")


def test_a_month_is_taxed_at_the_rate_of_its_use_not_of_its_closing(shop: Shop) -> None:
    customer = shop.customer()
    for month, at in (("2026-11", "2026-12"), ("2026-12", "2027-01"), ("2027-01", "2027-02")):
        shop.use(customer, 1_000, "translate", time=shop.month(month).start + timedelta(days=20))
        shop.wait_until(at)
        apply(shop, tax_rate="8%")
    taxes = [shop.invoice(month).tax_minor for month in ("2026-11", "2026-12", "2027-01")]
    assert taxes == [60, 60, 80]


def test_an_invoice_of_two_rates_has_net_and_tax_of_each(shop: Shop) -> None:
    invoice = two_rates(shop)
    assert [(line.period.name, str(line.tax_rate)) for line in invoice.lines] == [
        ("2026-12", "0.06"),
        ("2027-01", "0.08"),
    ]
    assert [(str(one.rate), one.net_minor, one.tax_minor) for one in invoice.taxes] == [
        ("0.08", 10_000, 800),
        ("0.06", 1_000, 60),
    ]
    assert (invoice.net_minor, invoice.tax_minor, invoice.total_minor) == (11_000, 860, 11_860)
    told = to_json(invoice)["tax"]
    assert (told["rate"], told["amount"]) == (None, "8.60")
    assert [(one["rate"], one["net"], one["amount"]) for one in told["rates"]] == [
        ("0.08", "100.00", "8.00"),
        ("0.06", "10.00", "0.60"),
    ]
    text = text_of(pdf(invoice, shop.company.payment))
    for part in ("Tax 8% on $100.00", "Tax 6% on $10.00", "$8.00", "$0.60", "$118.60"):
        assert part in text, f"{part} is missing in {text}"
    with shop.store.read() as tx:
        assert ledger.balance(tx, "tax_payable") == {"USD": -860}
        assert verify(tx) == []


def text_of(document: bytes) -> str:
    from pypdf import PdfReader

    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages)


def test_a_credit_note_takes_each_rate_back_in_proportion_and_all_of_them_in_the_end(shop: Shop) -> None:
    invoice = two_rates(shop)

    def credit(amount: str | None, operation: str) -> undo.CreditNote:
        with shop.store.transaction() as tx:
            return undo.credit_note(
                tx, invoice=invoice.number, amount=amount and usd(amount), reason="wrong", operation=operation,
                company=shop.company,
            )  # fmt: skip

    half = credit("59.30", "n1")
    assert [(str(one.rate), one.net_minor, one.tax_minor) for one in half.shares or ()] == [
        ("0.06", 500, 30),
        ("0.08", 5_000, 400),
    ]
    with shop.store.read() as tx:
        text = text_of(undo.note_document(tx, half.number))
    for part in ("Tax 8% on $50.00", "Tax 6% on $5.00", "$59.30"):
        assert part in text, f"{part} is missing in {text}"
    credit("0.07", "n2"), credit("3.33", "n3"), credit(None, "n4")
    with shop.store.read() as tx:
        assert ledger.balance(tx, "tax_payable") == {"USD": 0}
        assert get_invoice(tx, invoice.number).open_minor == 0
        assert verify(tx) == []


def test_one_rounding_for_each_rate(shop: Shop) -> None:
    customer = shop.customer()
    for product, units in (("translate", 9), ("helpdesk", 23)):  # 0.09 + 0.09: 1.08 cents of tax, not twice 0.54
        shop.use(customer, units, product)
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").tax_minor == 1


def test_what_is_owed_has_the_tax_of_each_month(shop: Shop) -> None:
    customer = shop.customer()
    shop.use(customer, 10_000, "translate")
    apply(shop, tax_rate="8%")
    shop.wait_until("2026-12")
    shop.use(customer, 10_000, "translate")
    with shop.store.transaction() as tx:
        assert accrual.standing_of(tx, customer, shop.company).tax == usd("14.00")


def test_a_changed_rate_holds_from_the_next_month_and_the_same_file_changes_nothing(shop: Shop) -> None:
    for _ in range(2):
        apply(shop, tax_rate="8%")
    assert [in_force(shop, month) for month in ("2020-01", "2026-11", "2026-12", "2030-01")] == [
        "0.06", "0.06", "0.08", "0.08",
    ]  # fmt: skip
    apply(shop, tax_rate="6%")  # thought better of it, in time
    shop.wait_until("2027-01")
    apply(shop, tax_rate="6%")
    assert in_force(shop, "2026-12") == "0.06"
    with shop.store.read() as tx:
        assert len(rates_of(tx, ()).company) == 3


def test_the_file_may_date_its_rates(shop: Shop) -> None:
    apply(shop, tax=[{"rate": "6%", "from": "2026-01"}, {"rate": "9%", "from": "2027-03"}])
    assert [in_force(shop, month) for month in ("2025-12", "2027-02", "2027-03")] == ["0.06", "0.06", "0.09"]
    apply(shop, tax=[{"rate": "6%", "from": "2026-01"}, {"rate": "7%", "from": "2027-02"}])
    assert [in_force(shop, month) for month in ("2027-01", "2027-02", "2027-03")] == ["0.06", "0.07", "0.07"]
    apply(shop, tax_rate="5%")
    assert [in_force(shop, month) for month in ("2026-11", "2026-12", "2027-03")] == ["0.06", "0.05", "0.05"]


def test_dated_rates_from_the_first_day_on(store: Store, clock: SettableClock) -> None:
    shop = open_shop(store, clock, tax=[{"rate": "6%", "from": "2026-12"}])
    assert [in_force(shop, month) for month in ("2026-11", "2026-12")] == ["0", "0.06"]


def test_a_rate_into_an_invoiced_month_is_refused_by_name(shop: Shop) -> None:
    shop.use(shop.customer(), 1_000, "translate")
    shop.wait_until("2026-12")
    shop.invoice("2026-11")
    with pytest.raises(Conflict, match=r"from 2026-11 would change months that are invoiced: 2026-11"):
        apply(shop, tax=[{"rate": "8%", "from": "2026-11"}])
    assert in_force(shop, "2026-11") == "0.06"
    apply(shop, tax=[{"rate": "8%", "from": "2026-12"}])
    assert in_force(shop, "2026-12") == "0.08"


@pytest.mark.parametrize(
    ("company", "said"),
    [
        ({"tax_rate": "6%", "tax": [{"rate": "6%", "from": "2026-01"}]}, "both say a rate"),
        ({"tax": [{"rate": "6%", "from": "2026-01"}, {"rate": "7%", "from": "2026-01"}]}, "begin in the same month"),
        ({"tax": [{"rate": "6%", "from": "2026-13"}]}, "from"),
        ({"tax": [{"rate": "6", "from": "2026-01"}]}, "not a share"),
    ],
)
def test_rates_that_contradict_each_other_are_refused(company: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        workspace(**company)


def test_a_customer_has_a_rate_of_its_own_for_a_reason(shop: Shop) -> None:
    blue, red = shop.customer(), shop.customer("Red Shop")
    for customer in (blue, red):
        shop.use(customer, 1_000, "translate")
    own_rate(shop, blue, "0%", "2026-11")
    own_rate(shop, blue, "0%", "2026-11")  # the same once more
    own_rate(shop, blue, "company", "2026-12", "moved")
    shop.wait_until("2026-12")
    by = {one.customer: one for one in shop.close("2026-11").invoices}
    assert (by[blue].tax_minor, by[red].tax_minor) == (0, 60)
    assert "Tax 0%: reverse charge, DE123456789" in text_of(pdf(by[blue], shop.company.payment))
    assert to_json(by[blue])["tax"]["rates"][0]["reason"] == "reverse charge, DE123456789"
    assert (in_force(shop, "2026-11", blue), in_force(shop, "2026-12", blue)) == ("0", "0.06")
    with pytest.raises(Conflict, match="months that are invoiced: 2026-11"):
        own_rate(shop, blue, "3%", "2026-11")


@pytest.mark.parametrize(
    ("rate", "start", "reason"),
    [("6", "2026-12", "x"), ("none", "2026-12", "x"), ("0%", "2026-13", "x"), ("0%", "2026-12", " ")],
)
def test_a_customer_s_rate_that_is_no_rate_is_refused(shop: Shop, rate: str, start: str, reason: str) -> None:
    customer = shop.customer()
    with pytest.raises(BadInput):
        own_rate(shop, customer, rate, start, reason)


def test_versions_are_never_changed(shop: Shop) -> None:
    import sqlalchemy as sa

    from penstock.billing.tables import tax_version

    for change in (sa.update(tax_version).values(rate="0.5"), sa.delete(tax_version)):
        with pytest.raises(sa.exc.DBAPIError, match="never changed or deleted"), shop.store.transaction() as tx:
            tx.execute(change)
    assert Decimal(in_force(shop, "2026-11")) == Decimal("0.06")
