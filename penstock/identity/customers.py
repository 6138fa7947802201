"""Customers: who pays. Knows their consent to training; knows nothing of what they bought or used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.tables import consent, customer
from penstock.storage import counters
from penstock.storage.engine import Transaction

LOCALES = ("en", "zh-CN")
TRAINING = "training"
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]{2,}")


@dataclass(frozen=True)
class Customer:
    """Who pays. training_consent: whether its data may train models now (never so unless it said yes)."""

    id: str
    name: str
    email: str
    locale: str
    address: str
    tax_id: str
    training_consent: bool
    created_at: datetime


@dataclass(frozen=True)
class Consent:
    """One yes or no that a customer gave: purpose 'training'."""

    number: int
    customer: str
    purpose: str
    granted: bool
    recorded_at: datetime


def add_customer(
    tx: Transaction,
    *,
    name: str,
    email: str,
    locale: str = "en",
    address: str = "",
    tax_id: str = "",
    training_consent: bool = False,
) -> Customer:
    """A new customer. Raises BadInput for a malformed field and Conflict when the name is taken."""
    row: dict[str, Any] = {
        "id": tx.new_id("cus"),
        "organisation": tx.organisation,
        "name": checked_name(name, where="name"),
        "email": checked_email(email, where="email"),
        "locale": _locale(locale),
        "address": address.strip(),
        "tax_id": tax_id.strip(),
        "created_at": tx.now,
    }
    try:
        with tx.connection.begin_nested():
            tx.execute(sa.insert(customer), row)
    except sa.exc.IntegrityError:
        raise Conflict(
            f"there is already a customer named {row['name']!r}", where="name", hint="choose another name"
        ) from None
    if training_consent:
        _record_consent(tx, row["id"], granted=True)
    counters.bump(tx, "customers")
    return get_customer(tx, row["id"])


def get_customer(tx: Transaction, ref: str) -> Customer:
    """The customer with this id, else this name, else this e-mail address.

    Raises NotFound, and BadInput when several customers share the address.
    """
    for matches in (customer.c.id == ref, customer.c.name == ref, sa.func.lower(customer.c.email) == ref.lower()):
        found = tx.all(_customers(tx).where(matches).limit(2))
        if len(found) > 1:
            raise BadInput(
                f"several customers have the e-mail address {ref}", where="customer", hint="give the name or the id"
            )
        if found:
            return _customer(found[0])
    raise NotFound(f"no customer {ref!r}", where="customer", hint="see `penstock customer list`")


def list_customers(tx: Transaction) -> list[Customer]:
    """All customers by name."""
    return [_customer(row) for row in tx.all(_customers(tx).order_by(customer.c.name, customer.c.id))]


def set_training_consent(tx: Transaction, customer_id: str, consent: bool) -> Customer:
    """Record that the customer allows training on its data, or no longer does. Saying the same again adds nothing."""
    known = get_customer(tx, customer_id)
    if known.training_consent != consent:
        _record_consent(tx, known.id, granted=consent)
        counters.bump(tx, "customers")
    return get_customer(tx, known.id)


def consent_history(tx: Transaction, customer_id: str) -> list[Consent]:
    """Every yes and no of the customer, oldest first. Empty: it never said yes."""
    query = (
        sa.select(consent)
        .where(consent.c.organisation == tx.organisation, consent.c.customer == customer_id)
        .order_by(consent.c.number)
    )
    return [
        Consent(row["number"], row["customer"], row["purpose"], row["granted"], row["recorded_at"])
        for row in tx.all(query)
    ]


def consenting_customers(tx: Transaction) -> frozenset[str]:
    """Ids of the customers whose data may train models now."""
    return frozenset(one.id for one in list_customers(tx) if one.training_consent)


def hold_consents(tx: Transaction) -> frozenset[str]:
    """The same, and no consent changes before this transaction ends: what is written in it may count on them."""
    counters.take(tx, "consent", 0)  # takes no number, but holds the counter that every yes and no takes one of
    return consenting_customers(tx)


def checked_name(name: str, *, where: str) -> str:
    """A name of 1 to 120 printable characters, stripped; BadInput otherwise."""
    text = name.strip()
    if not 1 <= len(text) <= 120 or not text.isprintable():
        raise BadInput(f"{name!r} is not a name: it needs 1 to 120 printable characters", where=where)
    return text


def checked_email(email: str, *, where: str) -> str:
    """An e-mail address by its shape only (something@domain.tld), stripped; BadInput otherwise."""
    text = email.strip()
    if len(text) > 254 or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise BadInput(f"{email!r} is not an e-mail address", where=where, hint="write e.g. ada@example.com")
    return text


def _locale(locale: str) -> str:
    if locale not in LOCALES:
        raise BadInput(f"unknown locale {locale!r}", where="locale", hint=f"use one of {', '.join(LOCALES)}")
    return locale


def _record_consent(tx: Transaction, customer_id: str, *, granted: bool) -> None:
    tx.execute(
        sa.insert(consent),
        {
            "organisation": tx.organisation,
            "number": counters.take(tx, "consent"),
            "customer": customer_id,
            "purpose": TRAINING,
            "granted": granted,
            "recorded_at": tx.now,
        },
    )


def _customers(tx: Transaction) -> sa.Select[Any]:
    latest = (
        sa.select(consent.c.granted)
        .where(consent.c.customer == customer.c.id, consent.c.purpose == TRAINING)
        .order_by(consent.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(customer, latest.label("granted")).where(customer.c.organisation == tx.organisation)


def _customer(row: sa.RowMapping) -> Customer:
    return Customer(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        locale=row["locale"],
        address=row["address"],
        tax_id=row["tax_id"],
        training_consent=bool(row["granted"]),
        created_at=row["created_at"],
    )
