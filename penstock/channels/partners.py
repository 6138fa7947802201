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
from penstock.identity.customers import checked_email, checked_name, get_customer
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
    tx: Transaction, *, name: str, email: str, agreement: str, customer: str | None = None, code: str | None = None
) -> Partner:
    """A new partner under the newest version of `agreement`; the code is made up unless given.

    customer: the partner's own customer (id, name or e-mail). Raises Conflict when the name or the code is taken.
    """
    row: dict[str, Any] = {
        "id": tx.new_id("par"),
        "organisation": tx.organisation,
        "name": checked_name(name, where="name"),
        "email": checked_email(email, where="email"),
        "code": "".join(secrets.choice(_CODE_LETTERS) for _ in range(8)) if code is None else checked_code(code),
        "customer": None if customer is None else get_customer(tx, customer).id,
        "agreement_version": agreements.latest(tx, agreement).id,
        "created_at": tx.now,
    }
    try:
        with tx.connection.begin_nested():
            tx.execute(sa.insert(partner), row)
    except sa.exc.IntegrityError:
        raise Conflict(
            f"there is already a partner named {row['name']!r} or with the code {row['code']}",
            where="partner",
            hint="choose another name or code",
        ) from None
    return get_partner(tx, row["id"])


def get_partner(tx: Transaction, ref: str) -> Partner:
    """The partner with this id, else this name, else this code, else this e-mail address. Raises NotFound."""
    code, email = partner.c.code == ref.upper(), sa.func.lower(partner.c.email) == ref.lower()
    for matches in (partner.c.id == ref, partner.c.name == ref, code, email):
        found = tx.all(_partners(tx).where(matches).limit(2))
        if len(found) > 1:
            raise BadInput(f"several partners have the e-mail address {ref}", where="partner", hint="give the name")
        if found:
            return _partner(found[0])
    raise NotFound(f"no partner {ref!r}", where="partner", hint="see `penstock partner list`")


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


def _partners(tx: Transaction) -> sa.Select[Any]:
    joined = partner.join(agreement_version, agreement_version.c.id == partner.c.agreement_version)
    return (
        sa.select(partner, agreement_version.c.name.label("agreement"))
        .select_from(joined)
        .where(partner.c.organisation == tx.organisation)
    )


def _partner(row: sa.RowMapping) -> Partner:
    return Partner(**{name: row[name] for name in Partner.__dataclass_fields__})
