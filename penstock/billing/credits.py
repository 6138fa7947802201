"""Credit: money a customer paid in advance. Its balance is the ledger's. It changes nothing about how one pays."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from penstock.billing import ledger
from penstock.billing.tables import posting
from penstock.billing.terms import lock_customer
from penstock.billing.versions import the_book
from penstock.core.errors import BadInput
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.storage import counters
from penstock.storage.engine import Transaction


def add_credit(tx: Transaction, customer: str, amount: Money, operation: str, memo: str = "credit added") -> Money:
    """Book money received in advance; answers the new balance. The same operation again changes nothing.

    Raises BadInput for an amount that is not positive or not in the books' currency.
    """
    currency = the_book(tx).currency
    if amount.currency != currency:
        raise BadInput(f"credit is kept in {currency}, not {amount.currency}", where="amount")
    if amount.amount_minor <= 0:
        raise BadInput(f"{amount} is not an amount to add", where="amount", hint="credit starts above zero")
    customer = get_customer(tx, customer).id
    lock_customer(tx, customer)
    paid_in: list[ledger.Entry] = [
        ("cash", amount.amount_minor, currency, customer),
        ("customer_credit", -amount.amount_minor, currency, customer),
    ]
    if ledger.post(tx, operation, paid_in, memo):
        counters.bump(tx, "terms")  # gateways remember a refusal for a second, and forget it now
    return credit_balance(tx, customer)


def credit_balances(tx: Transaction, customers: Sequence[str]) -> dict[str, int]:
    """`credit_balance` of each of the customers in minor units, in one query."""
    column = posting.c
    query = (
        sa.select(column.party, sa.func.sum(column.amount_minor).label("amount"))
        .where(
            column.organisation == tx.organisation,
            column.account == "customer_credit",
            column.party.in_(customers),
            column.currency == the_book(tx).currency,
        )
        .group_by(column.party)
    )
    return dict.fromkeys(customers, 0) | {row["party"]: -int(row["amount"]) for row in tx.all(query)}


def credit_balance(tx: Transaction, customer: str) -> Money:
    """What is left of the money paid in advance, before anything owed: see `accrual.standing_of`."""
    currency = the_book(tx).currency
    return Money(-ledger.balance(tx, "customer_credit", customer).get(currency, 0), currency)
