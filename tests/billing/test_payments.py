"""Payments and refunds: each counts once, and never more than there is."""

from __future__ import annotations

import pytest
from billing.shop import Shop, open_shop, usd

from penstock.billing import ledger, payments
from penstock.billing.credits import add_credit, credit_balance
from penstock.billing.register import get_invoice
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import Money
from penstock.storage.engine import Store


@pytest.fixture
def shop(store: Store, clock: SettableClock) -> Shop:
    """A shop that has invoiced 10.60 (0.60 tax) to Blue Shop as 2026-000001."""
    shop = open_shop(store, clock, tax_rate="6%")
    shop.use(shop.customer(), 1_000, product="translate")
    shop.wait_until("2026-12")
    assert shop.invoice("2026-11").total_minor == 1_060
    return shop


def pay(shop: Shop, amount: str, operation: str) -> None:
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice="2026-000001", amount=usd(amount), operation=operation)


def give_back(shop: Shop, amount: str, operation: str) -> None:
    with shop.store.transaction() as tx:
        payments.refund(tx, invoice="2026-000001", amount=usd(amount), operation=operation, reason="complaint")


def state(shop: Shop) -> tuple[str, int, int, int]:
    with shop.store.read() as tx:
        assert ledger.verify(tx) == []
        invoice = get_invoice(tx, "2026-000001")
    return invoice.state, invoice.paid_minor, invoice.open_minor, invoice.refunded_minor


def test_from_open_to_paid_to_refunded(shop: Shop) -> None:
    pay(shop, "4.00", "p1")
    assert state(shop) == ("open", 400, 660, 0)
    pay(shop, "6.60", "p2")
    assert state(shop) == ("paid", 1_060, 0, 0)
    give_back(shop, "3.33", "r1")
    assert state(shop) == ("partly refunded", 1_060, 0, 333)
    give_back(shop, "7.27", "r2")
    assert state(shop) == ("refunded", 1_060, 0, 1_060)
    with shop.store.read() as tx:
        assert ledger.balance(tx, "cash") == {"USD": 0}
        assert ledger.balance(tx, "tax_payable") == {"USD": 0}
        assert ledger.balance(tx, "refunds") == {"USD": 1_000}
        assert [one.tax_minor for one in payments.list_payments(tx)] == [22, 38]


def test_paying_twice_under_one_operation_counts_once(shop: Shop) -> None:
    pay(shop, "4.00", "p1")
    pay(shop, "4.00", "p1")
    assert state(shop) == ("open", 400, 660, 0)
    with pytest.raises(Conflict, match="was used before"):
        pay(shop, "5.00", "p1")


def test_paying_all_that_is_open_twice_under_one_operation_counts_once(shop: Shop) -> None:
    pay(shop, "4.00", "p1")
    with shop.store.transaction() as tx:
        first = payments.pay(tx, invoice="2026-000001", amount=None, operation="bank-1")
        assert first.amount_minor == 660
        assert payments.pay(tx, invoice="2026-000001", amount=None, operation="bank-1") == first
        with pytest.raises(Conflict, match="nothing is open"):
            payments.pay(tx, invoice="2026-000001", amount=None, operation="bank-2")
    assert state(shop) == ("paid", 1_060, 0, 0)


def test_paying_or_refunding_too_much_is_refused_with_the_numbers(shop: Shop) -> None:
    with pytest.raises(Conflict, match=r"10.61 USD is more than the open amount of 10.60 USD"):
        pay(shop, "10.61", "p1")
    pay(shop, "1.00", "p1")
    with pytest.raises(Conflict, match=r"1.01 USD is more than the 1.00 USD that was paid"):
        give_back(shop, "1.01", "r1")
    give_back(shop, "1.00", "r1")
    give_back(shop, "1.00", "r1")
    with pytest.raises(Conflict, match=r"more than the 0.00 USD"):
        give_back(shop, "0.01", "r2")


def test_money_of_another_currency_or_none_at_all_is_refused(shop: Shop) -> None:
    with shop.store.transaction() as tx:
        with pytest.raises(BadInput, match="is in USD, not EUR"):
            payments.pay(tx, invoice="2026-000001", amount=Money(100, "EUR"), operation="p")
        with pytest.raises(BadInput):
            payments.pay(tx, invoice="2026-000001", amount=usd("0.00"), operation="p")
        with pytest.raises(NotFound):
            payments.pay(tx, invoice="2026-000009", amount=usd("1.00"), operation="p")
        with pytest.raises(BadInput, match="credit is not a way of paying from outside"):
            payments.pay(tx, invoice="2026-000001", amount=usd("1.00"), operation="p", method="credit")


def test_a_payment_booked_by_mistake_is_taken_back(shop: Shop) -> None:
    pay(shop, "4.00", "p1")
    pay(shop, "6.60", "p2")
    with shop.store.transaction() as tx:
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")
        with pytest.raises(Conflict, match="taken back before"):  # not "refunded": nothing was
            payments.cancel_payment(tx, payment_operation="p1", operation="c2")
    assert state(shop) == ("open", 660, 400, 0)
    pay(shop, "4.00", "p3")
    with shop.store.transaction() as tx, pytest.raises(Conflict, match="there is nothing to cancel"):
        payments.cancel_payment(tx, payment_operation="c1", operation="c3")  # it would be paid twice
    assert state(shop) == ("paid", 1_060, 0, 0)
    with shop.store.read() as tx:
        assert sum(one.tax_minor for one in payments.list_payments(tx)) == 60


def test_what_was_paid_from_credit_is_refunded_to_credit(shop: Shop) -> None:
    with shop.store.transaction() as tx:
        add_credit(tx, "Blue Shop", usd("2.00"), "bank-1")
    shop.use(get_customer_id(shop), 500, product="translate")
    shop.wait_until("2027-01")
    number = shop.invoice("2026-12").number
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice=number, amount=usd("3.30"), operation="p9")
        made = payments.refund(tx, invoice=number, amount=usd("4.00"), operation="r9", reason="outage")
        assert (made.amount_minor, made.to_credit_minor) == (400, 70)
        assert credit_balance(tx, made.customer) == usd("0.70")
        assert ledger.verify(tx) == []


def test_an_overpayment_is_kept_as_credit_on_request_and_taken_back_with_its_payment(shop: Shop) -> None:
    customer = get_customer_id(shop)
    with shop.store.transaction() as tx:
        for _ in range(2):
            paid = payments.pay(tx, invoice="2026-000001", amount=usd("12.00"), operation="p1", keep_rest=True)
            assert (paid.amount_minor, payments.kept_as_credit(tx, paid)) == (1_060, usd("1.40"))
        assert credit_balance(tx, customer) == usd("1.40")
    with shop.store.transaction() as tx, pytest.raises(Conflict, match="was used before"):
        payments.pay(tx, invoice="2026-000001", amount=usd("13.00"), operation="p1", keep_rest=True)
    assert state(shop) == ("paid", 1_060, 0, 0)
    with shop.store.transaction() as tx:
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")
        assert credit_balance(tx, customer) == usd("0.00")
    assert state(shop) == ("open", 0, 1_060, 0)


def test_credit_that_is_spent_cannot_be_taken_back_with_its_payment(shop: Shop) -> None:
    customer = get_customer_id(shop)
    with shop.store.transaction() as tx:
        payments.pay(tx, invoice="2026-000001", amount=usd("12.00"), operation="p1", keep_rest=True)
    shop.use(customer, 100, product="translate")
    shop.wait_until("2027-01")
    assert shop.invoice("2026-12").credit_minor == 106
    with shop.store.transaction() as tx, pytest.raises(Conflict, match=r"only 0.34 USD of it is left"):
        payments.cancel_payment(tx, payment_operation="p1", operation="c1")


def test_credit_goes_onto_an_open_invoice(shop: Shop) -> None:
    with shop.store.transaction() as tx, pytest.raises(Conflict, match="has no credit"):
        payments.pay_from_credit(tx, invoice="2026-000001", amount=None, operation="f0")
    with shop.store.transaction() as tx:
        add_credit(tx, "Blue Shop", usd("4.00"), "bank-1")
        with pytest.raises(Conflict, match=r"4.00 USD of credit is left: 4.01 USD is more"):
            payments.pay_from_credit(tx, invoice="2026-000001", amount=usd("4.01"), operation="f1")
        payments.pay_from_credit(tx, invoice="2026-000001", amount=usd("1.00"), operation="f1")
        for _ in range(2):
            assert payments.pay_from_credit(tx, invoice="2026-000001", amount=None, operation="f2").amount_minor == 300
    assert state(shop) == ("open", 400, 660, 0)
    with shop.store.transaction() as tx:
        payments.cancel_payment(tx, payment_operation="f2", operation="c2")
        assert credit_balance(tx, get_customer_id(shop)) == usd("3.00")
    assert state(shop) == ("open", 100, 960, 0)


def get_customer_id(shop: Shop) -> str:
    with shop.store.read() as tx:
        return get_invoice(tx, "2026-000001").customer
