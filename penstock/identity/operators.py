"""Operators: the people who run the company, by name, each with a role and a token of their own.

A role is a set of rights; a route asks for one. The token is shown once; only its id and a SHA-256 are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast, get_args

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound, Unauthorised
from penstock.identity.customers import checked_name
from penstock.identity.secret_text import new_secret, parse_secret, proves
from penstock.identity.tables import operator
from penstock.storage.engine import Transaction

PREFIX = "op_live_"
Right = Literal["look", "sell", "train", "bill", "govern"]
Role = Literal["owner", "finance", "operator", "viewer"]
RIGHTS: tuple[Right, ...] = get_args(Right)
ROLES: Mapping[Role, frozenset[Right]] = {
    "owner": frozenset(RIGHTS),
    "finance": frozenset(("look", "bill")),  # credit, terms, tax, invoices, payments, payouts
    "operator": frozenset(("look", "sell", "train")),  # customers, keys, plans, partners; models and feedback
    "viewer": frozenset(("look",)),
}


@dataclass(frozen=True)
class Operator:
    """Who may do what. removed_at: since when its token and its sessions hold no more."""

    id: str
    name: str
    role: Role
    token_sha256: str
    created_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True)
class Person:
    """Whom a token or a session proved. operator: its id; None for the holder of the admin token, who is an owner."""

    name: str
    role: Role
    operator: str | None = None

    def may(self, right: Right) -> bool:
        return right in ROLES[self.role]


ADMIN = Person("the admin token", "owner")


def add_operator(tx: Transaction, name: str, role: str) -> tuple[Operator, str]:
    """A new operator, with the text of its token, which cannot be shown again.

    Raises BadInput for an unknown role or a name that is none, Conflict for one that is taken.
    """
    name = checked_name(name, where="name")
    if name == ADMIN.name:
        raise Conflict("this name is the admin token's", where="name", hint="choose another name")
    if role not in ROLES:
        raise BadInput(f"there is no role {role!r}", where="role", hint=f"use one of {', '.join(ROLES)}")
    if any(one.name == name for one in list_operators(tx)):
        raise Conflict(f"there is already an operator named {name!r}", where="name", hint="choose another name")
    secret = new_secret(PREFIX)
    made = Operator(secret.id, name, cast(Role, role), secret.sha256, tx.now, None)
    tx.execute(sa.insert(operator), {**vars(made), "organisation": tx.organisation})
    return made, secret.text


def remove_operator(tx: Transaction, ref: str) -> Operator:
    """End an operator (by name or id): its token and its sessions hold no more, from now on. Raises NotFound."""
    found = next((one for one in list_operators(tx) if ref in (one.id, one.name)), None)
    if found is None:
        raise NotFound(f"no operator {ref!r}", where="operator", hint="see `penstock operator list`")
    mine = operator.c.organisation == tx.organisation
    tx.execute(sa.update(operator).where(mine, operator.c.id == found.id).values(removed_at=tx.now))
    return replace(found, removed_at=tx.now)


def list_operators(tx: Transaction, *, removed: bool = False) -> list[Operator]:
    """The operators, oldest first; removed ones too if asked for."""
    query = sa.select(operator).where(operator.c.organisation == tx.organisation)
    if not removed:
        query = query.where(operator.c.removed_at.is_(None))
    return [_operator(row) for row in tx.all(query.order_by(operator.c.created_at, operator.c.id))]


def person_of(tx: Transaction, token: str) -> Person:
    """Whom an operator's token proves. Raises Unauthorised; an unknown id and a wrong secret read the same."""
    given = parse_secret(token, PREFIX)
    if given is not None:
        one = operator.c
        row = tx.first(sa.select(operator).where(one.organisation == tx.organisation, one.id == given.id))
        if proves(given, row["token_sha256"] if row else None) and row is not None and row["removed_at"] is None:
            return Person(row["name"], row["role"], row["id"])
    raise Unauthorised("this token is not an operator's", where="Authorization", hint="an owner can add you anew")


def _operator(row: sa.RowMapping) -> Operator:
    facts: dict[str, Any] = {name: row[name] for name in Operator.__dataclass_fields__}
    return Operator(**facts)
