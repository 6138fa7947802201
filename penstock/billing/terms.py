"""How a customer pays: in advance from credit, or by invoice. Its row is also the lock of the customer's money."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa

from penstock.billing.tables import customer_terms
from penstock.core.errors import BadInput
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new

Terms = Literal["prepaid", "invoice"]


def lock_customer(tx: Transaction, customer: str) -> Terms:
    """Make every other writer of this customer's money wait until this transaction ends; answer its terms.

    On Postgres a row lock; SQLite has one writer anyhow.
    """
    insert_new(tx, customer_terms, [{"customer": customer, "terms": "invoice"}])
    return _terms(tx.first(_row(tx, customer).with_for_update()))


def lock_customers(tx: Transaction, customers: Collection[str]) -> None:
    """`lock_customer` of several at once, always in one order: two that lock some of the same cannot wait in a ring."""
    ordered = sorted(customers)
    insert_new(tx, customer_terms, [{"customer": customer, "terms": "invoice"} for customer in ordered])
    column = customer_terms.c
    mine = sa.select(column.customer).where(column.organisation == tx.organisation, column.customer.in_(ordered))
    tx.all(mine.order_by(column.customer).with_for_update())


def terms_of(tx: Transaction, customer: str) -> Terms:
    """'prepaid' or 'invoice'; 'invoice' unless something else was agreed."""
    return _terms(tx.first(_row(tx, customer)))


def set_terms(tx: Transaction, customer: str, terms: Terms) -> None:
    """Agree on other terms. Gateways take a new grant within a second, under the new terms."""
    if lock_customer(tx, customer) != checked_terms(terms):
        tx.execute(
            sa.update(customer_terms)
            .where(customer_terms.c.organisation == tx.organisation, customer_terms.c.customer == customer)
            .values(terms=terms)
        )
        counters.bump(tx, "terms")


def checked_terms(text: str) -> Terms:
    """The terms of this name. Raises BadInput for another."""
    known: dict[str, Terms] = {"prepaid": "prepaid", "invoice": "invoice"}
    if text not in known:
        raise BadInput(f"unknown terms {text!r}", where="terms", hint="use prepaid or invoice")
    return known[text]


def _row(tx: Transaction, customer: str) -> sa.Select[tuple[str]]:
    return sa.select(customer_terms.c.terms).where(
        customer_terms.c.organisation == tx.organisation, customer_terms.c.customer == customer
    )


def _terms(row: sa.RowMapping | None) -> Terms:
    return "prepaid" if row is not None and row["terms"] == "prepaid" else "invoice"
