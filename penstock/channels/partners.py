"""Partners: who brings customers, under which agreement version, with which code. Knows no money."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.channels import agreements
from penstock.channels.tables import agreement_version, partner
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.folding import fold
from penstock.identity.customers import checked_email, checked_name, get_customer
from penstock.identity.resolving import named, resolve, similar
from penstock.storage import counters
from penstock.storage.engine import Transaction

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,31}")
_CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # without those that are mistaken for one another


@dataclass(frozen=True)
class Partner:
    """Who brings customers. code: what they hand out. agreement: the terms for customers attributed from now on.

    customer: id of the partner's own customer, if it is one.
    """

    id: str
    name: str
    email: str
    code: str
    customer: str | None
    agreement: str
    agreement_version: str
    created_at: datetime


def add_partner(
    tx: Transaction,
    *,
    name: str,
    email: str,
    agreement: str,
    customer: str | None = None,
    code: str | None = None,
    allow_similar: bool = False,
) -> Partner:
    """A new partner under the newest version of `agreement`; the code is made up unless given.

    customer: the partner's own customer (id, name or e-mail). Raises Conflict when it can be mistaken for another
    partner: by the same name or code always, by a similar name or e-mail address unless `allow_similar`.
    """
    name, email = checked_name(name, where="name"), checked_email(email, where="email")
    row: dict[str, Any] = {
        "id": tx.new_id("par"),
        "organisation": tx.organisation,
        "name": name,
        "email": email,
        "name_key": fold(name),
        "email_key": fold(email),
        "code": "".join(secrets.choice(_CODE_LETTERS) for _ in range(8)) if code is None else checked_code(code),
        "customer": None if customer is None else get_customer(tx, customer).id,
        "agreement_version": agreements.latest(tx, agreement).id,
        "created_at": tx.now,
    }
    counters.take(tx, "partner", 0)  # the lock: two at once would not see each other's name
    _refuse_similar(tx, name, email, row["code"], allow_similar)
    tx.execute(sa.insert(partner), row)
    return get_partner(tx, row["id"])


def get_partner(tx: Transaction, ref: str) -> Partner:
    """The partner with this id; else the only one with this name, code or e-mail address, whatever their case.

    Raises NotFound, and BadInput naming the candidates when several partners match.
    """
    code = partner.c.code == ref.strip().upper()
    return _partner(resolve(tx, _partners(tx), ref, table=partner, what="partner", more=[code]))


def list_partners(tx: Transaction) -> list[Partner]:
    """All partners by name."""
    return [_partner(row) for row in tx.all(_partners(tx).order_by(partner.c.name))]


def partners_of_customer(tx: Transaction, customer_id: str) -> list[Partner]:
    """The partners that a customer is itself."""
    return [_partner(row) for row in tx.all(_partners(tx).where(partner.c.customer == customer_id))]


def partner_by_code(tx: Transaction, code: str) -> Partner:
    """The partner who hands out `code`, in any case of letters. Raises NotFound."""
    row = tx.first(_partners(tx).where(partner.c.code == code.strip().upper()))
    if row is None:
        raise NotFound(f"no partner has the code {code!r}", where="code", hint="check the spelling")
    return _partner(row)


def move_to_latest(tx: Transaction, partner_id: str, agreement: str) -> Partner:
    """Put a partner under the newest version of an agreement, for customers attributed from now on."""
    known = get_partner(tx, partner_id)
    version = agreements.latest(tx, agreement).id
    tx.execute(sa.update(partner).where(partner.c.id == known.id).values(agreement_version=version))
    return get_partner(tx, known.id)


def checked_code(code: str) -> str:
    """A code in capitals: 3 to 32 letters, digits and dashes; BadInput otherwise."""
    text = code.strip().upper()
    if not _CODE.fullmatch(text):
        raise BadInput(f"{code!r} is not a code", where="code", hint="use 3 to 32 letters, digits and dashes")
    return text


def _refuse_similar(tx: Transaction, name: str, email: str, code: str, allow_similar: bool) -> None:
    reads_like_code = tx.all(_partners(tx).where(partner.c.code.in_([code, name.upper()])))
    found = [*similar(tx, _partners(tx), table=partner, name=name, email=email), *reads_like_code]
    same = [one for one in found if one["name"] == name or one["code"] == code]
    if same:
        raise Conflict(
            f"there is already a partner named {name!r} or with the code {code}: {named(same)}",
            where="partner",
            hint="choose another name or code",
        )
    if found and not allow_similar:
        raise Conflict(
            f"{name} <{email}> can be mistaken for a partner that exists: {named(found)}",
            where="partner",
            hint='if it is another one all the same, say so: --allow-similar, or "allow_similar": true',
        )


def _partners(tx: Transaction) -> sa.Select[Any]:
    joined = partner.join(agreement_version, agreement_version.c.id == partner.c.agreement_version)
    return (
        sa.select(partner, agreement_version.c.name.label("agreement"))
        .select_from(joined)
        .where(partner.c.organisation == tx.organisation)
    )


def _partner(row: sa.RowMapping) -> Partner:
    return Partner(**{name: row[name] for name in Partner.__dataclass_fields__})
