"""Undoing a bill: void, credit note, and never the same wrong given back twice."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from billing.shop import Shop, open_shop, usd

from penstock.billing import catalogue, given, ledger, payments, undo
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.records import CreditNote, Invoice
from penstock.billing.register import get_invoice, list_invoices
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict
from penstock.metering.corrections import correct
from penstock.storage.engine import Store

FIRST = "2026-000001"


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    """A shop that has invoiced 10.60 (0.60 tax) to Blue Shop as 2026-000001."""
    shop = open_shop(store, clock, tax_rate="6%")
    shop.use(shop.customer(), 1_000, product="translate")
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").total_minor == 1_060
    return shop


def invoice(shop: Shop, number: str = FIRST) -> Invoice:
    with shop.store.read() as tx:
        assert ledger.verify(tx) == []
        return get_invoice(tx, number)


def note(shop: Shop, amount: str | None, operation: str = "n1", *, in_cash: bool = False) -> CreditNote:
    with shop.store.transaction() as tx:
        return undo.credit_note(
            tx, invoice=FIRST, amount=amount and usd(amount), reason="wrong price", operation=operation,
            company=shop.company, in_cash=in_cash,
        )  # fmt: skip


def void(shop: Shop, operation: str = "v1") -> None:
    with shop.store.transaction() as tx:
        undo.void(tx, invoice=FIRST, reason="wrong address", operation=operation)


def pay(shop: Shop, amount: str | None, operation: str = "p1") -> None:
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice=FIRST, amount=amount and usd(amount), operation=operation)


def refund(shop: Shop, amount: str, operation: str = "r1") -> None:
    with shop.store.transaction() as tx:
        payments.refund(tx, invoice=FIRST, amount=usd(amount), operation=operation, reason="complaint")


def fix(shop: Shop, units: int, operation: str = "fix-1") -> None:
    """Correct November's use, as `usage correct` does."""
    customer = invoice(shop).customer
    with shop.store.transaction() as tx:
        time = shop.month("2026-11").end - timedelta(days=1)
        correct(
            tx, customer=customer, product="translate", units=units, time=time, reason="sent twice",
            operation=operation, timezone=shop.company.timezone,
        )  # fmt: skip
        undo.refuse_overcorrected(tx, customer, "translate", "2026-11")


def credit(shop: Shop) -> str:
    with shop.store.read() as tx:
        return str(credit_balance(tx, get_invoice(tx, FIRST).customer))


def test_a_void_invoice_keeps_its_number_and_its_month_is_invoiced_anew(shop: Shop) -> None:
    fix(shop, -400)
    void(shop)
    void(shop)  # the same once more
    assert (invoice(shop).state, invoice(shop).open_minor, invoice(shop).paid_minor) == ("void", 0, 0)
    again = shop.invoice("2026-11")
    assert [(line.kind, line.quantity, line.amount_minor) for line in again.lines] == [
        ("usage", 1_000, 1_000),
        ("usage", -400, -400),
    ]
    assert (again.number, again.total_minor, again.state) == ("2026-000002", 636, "open")
    assert shop.close("2026-11").invoices == (again,)
    with shop.store.read() as tx:
        assert [(one.number, one.state) for one in list_invoices(tx)] == [(FIRST, "void"), ("2026-000002", "open")]
        assert ledger.balance(tx, "receivable") == {"USD": 636}
        assert ledger.balance(tx, "tax_payable") == {"USD": -36}
        assert ledger.verify(tx) == []


def test_a_void_month_s_use_goes_to_the_next_invoice_when_it_is_not_closed_again(shop: Shop) -> None:
    void(shop)
    shop.wait_until("2027-01")
    late = shop.invoice("2026-12")
    assert [(line.kind, line.period.name, line.quantity) for line in late.lines] == [("late usage", "2026-11", 1_000)]
    assert late.total_minor == 1_060
    shop.wait_until("2027-02")
    assert shop.close("2027-01").invoices == ()


def test_a_void_plan_fee_is_asked_for_again(shop: Shop) -> None:
    red = shop.customer("Red Shop")
    with shop.store.transaction() as tx:
        catalogue.subscribe(tx, red, "team")
    shop.wait_until("2027-01")
    [first] = [one for one in shop.close("2026-12").invoices if one.customer == red]
    with shop.store.transaction() as tx:
        undo.void(tx, invoice=first.number, reason="wrong address", operation="v1")
    [again] = [one for one in shop.close("2026-12").invoices if one.customer == red]
    assert (again.total_minor, [line.kind for line in again.lines]) == (5_194, ["plan"])


def test_only_an_invoice_of_which_nothing_is_paid_is_voided(shop: Shop) -> None:
    with pytest.raises(BadInput, match="a reason is needed"), shop.store.transaction() as tx:
        undo.void(tx, invoice=FIRST, reason=" ", operation="v0")
    pay(shop, "1.00")
    with pytest.raises(Conflict, match=r"1.00 USD of it is paid") as refused:
        void(shop)
    assert "cancel-payment p1" in str(refused.value.hint)
    with shop.store.transaction() as tx:
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")
    void(shop)
    for again in (lambda: void(shop, "v2"), lambda: pay(shop, "1.00", "p2"), lambda: note(shop, None)):
        with pytest.raises(Conflict):
            again()


def test_a_credit_note_takes_off_what_is_open_first_and_gives_the_rest_as_credit(shop: Shop) -> None:
    pay(shop, "8.00")
    first = note(shop, "1.06")
    assert first == note(shop, "1.06")
    assert (first.number, first.net_minor, first.tax_minor, first.reduced_minor) == ("CN-2026-000001", 100, 6, 106)
    assert (invoice(shop).open_minor, invoice(shop).state) == (154, "open")
    second = note(shop, None, "n2")
    assert (second.number, second.total_minor, second.reduced_minor) == ("CN-2026-000002", 954, 154)
    assert (credit(shop), invoice(shop).state) == ("8.00 USD", "refunded")
    with shop.store.read() as tx:
        assert ledger.balance(tx, "refunds") == {"USD": 1_000}
        assert ledger.balance(tx, "tax_payable") == {"USD": 0}
        assert ledger.balance(tx, "cash") == {"USD": 800}
    for more in (lambda: note(shop, "0.01", "n3"), lambda: refund(shop, "0.01"), lambda: note(shop, None, "n3")):
        with pytest.raises(Conflict):
            more()


def test_a_credit_note_of_an_unpaid_invoice_leaves_nothing_open(shop: Shop) -> None:
    assert note(shop, None).refund is None
    assert (invoice(shop).state, credit(shop)) == ("credited", "0.00 USD")


def test_what_was_paid_goes_back_in_cash_or_to_credit_and_never_both(shop: Shop) -> None:
    with shop.store.transaction() as tx:
        add_credit(tx, "Blue Shop", usd("4.00"), "bank-1")
        payments.pay_from_credit(tx, invoice=FIRST, amount=None, operation="f1")
    pay(shop, None)
    with pytest.raises(Conflict, match=r"only 6.60 USD was paid in cash"):
        note(shop, "7.00", in_cash=True)
    note(shop, "6.00", in_cash=True)
    assert credit(shop) == "0.00 USD"
    note(shop, "4.60", "n2")
    assert credit(shop) == "4.60 USD"
    with shop.store.transaction() as tx, pytest.raises(Conflict, match="was refunded"):
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")


def test_one_wrong_is_given_back_once_whichever_command_comes_first(shop: Shop) -> None:
    pay(shop, None)
    fix(shop, -600)  # 6.36 with tax, on the next invoice
    with pytest.raises(Conflict) as refused:
        refund(shop, "4.25")
    assert refused.value.message == (
        "4.25 USD is more than the 4.24 USD of it that can still be given back: a correction of translate in 2026-11 "
        "gave back 6.36 USD on 2026-12-01 (`penstock usage correct`)"
    )
    refund(shop, "4.00")
    with pytest.raises(Conflict, match=r"a refund gave back 4.00 USD on 2026-12-01 \(`penstock invoice refund`\)"):
        note(shop, "0.25")
    with pytest.raises(Conflict, match=r"more than the 10.60 USD of its line 1, .* would be given back: a refund"):
        fix(shop, -400, "fix-2")
    shop.wait_until("2027-01")
    assert shop.invoice("2026-12").total_minor == -636
    with pytest.raises(Conflict, match="can still be given back"):
        refund(shop, "0.25", "r2")  # the same after the correction stands on an invoice
    with shop.store.read() as tx:
        assert given.left_to_give(invoice(shop), given.given_back(tx, invoice(shop))) == usd("0.24")


def test_a_correction_after_a_full_refund_gives_nothing_more(shop: Shop) -> None:
    pay(shop, None)
    refund(shop, "10.60")
    with pytest.raises(Conflict, match="would be given back"):
        fix(shop, -1)


def test_a_bill_issued_anew_after_a_correction_can_be_credited_in_full(shop: Shop) -> None:
    fix(shop, -400)
    void(shop)
    again = next(one for one in shop.close("2026-11").invoices if one.void is None)
    assert again.total_minor == 636  # 10.00 and -4.00 are lines of one invoice: the correction is in its total
    with shop.store.transaction() as tx:
        made = undo.credit_note(
            tx, invoice=again.number, amount=None, reason="wrong", operation="n1", company=shop.company
        )
        assert made.total_minor == 636
    assert invoice(shop, again.number).open_minor == 0


def test_what_cannot_be_given_back_is_said_without_an_amount_below_zero(shop: Shop) -> None:
    note(shop, None)
    with pytest.raises(Conflict, match="nothing of it is left to be given back: credit note CN-2026-000001 gave back"):
        note(shop, None, "n2")


def test_a_void_invoice_is_not_credited(shop: Shop) -> None:
    void(shop)
    with pytest.raises(Conflict, match="it is void: nothing of it is asked for"):
        note(shop, None)


def test_a_credit_note_s_document_names_its_invoice_and_what_it_does(shop: Shop) -> None:
    from pypdf import PdfReader

    pay(shop, "8.00")
    made = note(shop, None)
    with shop.store.read() as tx:
        document = undo.note_document(tx, made.number)
        assert document == undo.note_document(tx, made.number)
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages)
    for part in ("Credit note", "CN-2026-000001", FIRST, "wrong price", "Tax 6%", "$10.60", "$2.60", "$8.00"):
        assert part in text, f"{part} is missing in {text}"


def test_what_a_note_took_of_a_line_is_not_corrected_too(store: Store, clock: SettableClock) -> None:
    """An invoice with a plan's fee and use: below its total, the same use is given back once all the same."""
    shop = open_shop(store, clock, tax_rate="6%")
    customer = shop.customer()
    with store.transaction() as tx:
        catalogue.subscribe(tx, customer, "team")
    shop.wait_until("2026-12", 3)
    shop.use(customer, 1_190, product="translate")
    shop.wait_until("2027-01")
    [number] = [one.number for one in shop.close("2026-12").invoices]

    def credit(amount: str, line: int | None, operation: str) -> None:
        with store.transaction() as tx:
            undo.credit_note(
                tx, invoice=number, amount=usd(amount), reason="wrong", operation=operation,
                company=shop.company, line=line,
            )  # fmt: skip

    def correct_use(units: int, operation: str) -> None:
        with store.transaction() as tx:
            time = shop.month("2026-12").end - timedelta(days=1)
            correct(
                tx, customer=customer, product="translate", units=units, time=time, reason="sent twice",
                operation=operation, timezone=shop.company.timezone,
            )  # fmt: skip
            undo.refuse_overcorrected(tx, customer, "translate", "2026-12")

    with pytest.raises(Conflict, match=r"12.62 USD is more than the 12.61 USD"):
        credit("12.62", 2, "n0")
    credit("6.00", 2, "n1")
    with pytest.raises(Conflict, match=r"of its line 2, translate in 2026-12.*credit note .* gave back 6.00 USD"):
        correct_use(-1_190, "all")
    correct_use(-600, "some")
    with pytest.raises(Conflict, match="usage correct"):
        credit("1.00", 2, "n2")
    credit("1.00", 1, "n3")
    with pytest.raises(Conflict):
        correct_use(-590, "rest")
    with store.read() as tx:
        assert ledger.verify(tx) == []
