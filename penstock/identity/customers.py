"""Customers: who pays. Knows their consent to training; knows nothing of what they bought or used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.folding import fold
from penstock.identity.resolving import named, resolve, similar
from penstock.identity.tables import consent, customer
from penstock.storage import counters
from penstock.storage.engine import Transaction

LOCALES = ("en", "zh-CN")
EDITABLE = ("name", "email", "locale", "address", "tax_id")
TRAINING = "training"
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]{2,}")


@dataclass(frozen=True)
class Customer:
    """Who pays. training_consent: whether its data may train models now (never so unless it said yes).

    archived_at: since when it buys no more; None while it may.
    """

    id: str
    name: str
    email: str
    locale: str
    address: str
    tax_id: str
    training_consent: bool
    created_at: datetime
    archived_at: datetime | None = None


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
    allow_similar: bool = False,
) -> Customer:
    """A new customer. Raises BadInput for a malformed field, and Conflict when it can be mistaken for another one.

    allow_similar: take it although its name or e-mail address reads like another customer's. The same name letter
    for letter is never taken twice.
    """
    customer_id = tx.new_id("cus")
    facts = {"name": name, "email": email, "locale": locale, "address": address, "tax_id": tax_id}
    row = _checked(tx, facts, allow_similar=allow_similar)
    tx.execute(sa.insert(customer), {**row, "id": customer_id, "organisation": tx.organisation, "created_at": tx.now})
    if training_consent:
        _record_consent(tx, customer_id, granted=True)
    counters.bump(tx, "customers")
    return get_customer(tx, customer_id)


def edit_customer(
    tx: Transaction, ref: str, changes: Mapping[str, str], *, allow_similar: bool = False
) -> tuple[Customer, Customer]:
    """Change fields of EDITABLE; returns the customer before and after. Issued invoices keep what they say.

    Raises as add_customer does, and BadInput for a field that cannot be changed.
    """
    before = get_customer(tx, ref)
    unknown = sorted(set(changes) - set(EDITABLE))
    if unknown:
        raise BadInput(f"{unknown[0]!r} cannot be changed", where="customer", hint=f"use {', '.join(EDITABLE)}")
    facts = {field: changes.get(field, getattr(before, field)) for field in EDITABLE}
    row = _checked(tx, facts, but=before, allow_similar=allow_similar)
    tx.execute(sa.update(customer).where(customer.c.id == before.id).values(row))
    counters.bump(tx, "customers")
    return before, get_customer(tx, before.id)


def set_archived(tx: Transaction, customer_id: str, archived: bool) -> Customer:
    """Put the customer among those that buy no more, or back. Ends nothing by itself: see jobs.customers.archive."""
    known = get_customer(tx, customer_id)
    if (known.archived_at is not None) != archived:
        moment = tx.now if archived else None
        tx.execute(sa.update(customer).where(customer.c.id == known.id).values(archived_at=moment))
        counters.bump(tx, "customers")
    return get_customer(tx, known.id)


def pseudonymise(tx: Transaction, customer_id: str) -> Customer:
    """Replace name and e-mail address by the customer's id, and empty address and tax id. The audit log is not told
    what they were: it would keep it."""
    name, email = f"Erased {customer_id}", f"{customer_id}@erased.invalid"
    row = {"name": name, "email": email, "address": "", "tax_id": "", "name_key": fold(name), "email_key": fold(email)}
    mine = (customer.c.organisation == tx.organisation, customer.c.id == customer_id)
    tx.execute_unrecorded(sa.update(customer).where(*mine).values(row))
    counters.bump(tx, "customers")
    return get_customer(tx, customer_id)


def get_customer(tx: Transaction, ref: str) -> Customer:
    """The customer with this id; else the only one with this name or e-mail address, whatever their case and spaces.

    Raises NotFound, and BadInput naming the candidates when several customers match.
    """
    return _customer(resolve(tx, _customers(tx), ref, table=customer, what="customer"))


def names_of(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """The names of the customers with these ids, by id; unknown ids are left out."""
    if not ids:
        return {}
    mine = customer.c.organisation + "" == tx.organisation  # see get_customers
    rows = tx.all(sa.select(customer.c.id, customer.c.name).where(mine, customer.c.id.in_(ids)))
    return {row["id"]: row["name"] for row in rows}


def get_customers(tx: Transaction, ids: Sequence[str]) -> dict[str, Customer]:
    """The customers with these ids, by id. Raises NotFound when one is unknown."""
    # so written that the organisation is no key: SQLite would rather read all of its customers than look up some
    mine = customer.c.organisation + "" == tx.organisation
    rows = tx.all(_CUSTOMERS.where(mine, customer.c.id.in_(ids)))
    found = {row["id"]: _customer(row) for row in rows}
    for missing in (id for id in ids if id not in found):
        raise NotFound(f"no customer {missing!r}", where="customer", hint="see `penstock customer list`")
    return found


def buying_customer(tx: Transaction, ref: str) -> Customer:
    """The same, for what sells something new: raises Conflict when the customer is archived."""
    found = get_customer(tx, ref)
    if found.archived_at is not None:
        raise Conflict(
            f"{found.name} is archived since {found.archived_at:%Y-%m-%d}",
            where="customer",
            hint="take it back first: penstock customer unarchive",
        )
    return found


def list_customers(tx: Transaction, *, archived: bool = True) -> list[Customer]:
    """All customers by name; without the archived ones if `archived` is False."""
    query = _customers(tx).order_by(customer.c.name, customer.c.id)
    if not archived:
        query = query.where(customer.c.archived_at.is_(None))
    return [_customer(row) for row in tx.all(query)]


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


def _checked(
    tx: Transaction, facts: Mapping[str, str], *, but: Customer | None = None, allow_similar: bool
) -> dict[str, Any]:
    """The columns of the facts, checked; `but`: the customer that has them now."""
    row = {
        "name": checked_name(facts["name"], where="name"),
        "email": checked_email(facts["email"], where="email"),
        "locale": _locale(facts["locale"]),
        "address": facts["address"].strip(),
        "tax_id": facts["tax_id"].strip(),
    }
    counters.take(tx, "customer", 0)  # the lock: two at once would not see each other's name
    if but is None or (but.name, but.email) != (row["name"], row["email"]):
        _refuse_similar(tx, row["name"], row["email"], None if but is None else but.id, allow_similar)
    return {**row, "name_key": fold(row["name"]), "email_key": fold(row["email"])}


def _refuse_similar(tx: Transaction, name: str, email: str, but: str | None, allow_similar: bool) -> None:
    found = similar(tx, _customers(tx), table=customer, name=name, email=email, but=but)
    same = [one for one in found if one["name"] == name]
    if same:
        raise Conflict(
            f"there is already a customer named {name!r}: {named(same)}", where="name", hint="choose another name"
        )
    if found and not allow_similar:
        raise Conflict(
            f"{name} <{email}> can be mistaken for a customer that exists: {named(found)}",
            where="customer",
            hint='if it is another one all the same, say so: --allow-similar, or "allow_similar": true',
        )


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


_LATEST = (
    sa.select(consent.c.granted)
    .where(consent.c.customer == customer.c.id, consent.c.purpose == TRAINING)
    .order_by(consent.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
_CUSTOMERS = sa.select(customer, _LATEST.label("granted"))


def _customers(tx: Transaction) -> sa.Select[Any]:
    return _CUSTOMERS.where(customer.c.organisation == tx.organisation)


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
        archived_at=row["archived_at"],
    )
