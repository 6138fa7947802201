"""Which rows of a table belong to a customer, said once by whoever owns the table: an export holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from penstock.identity.tables import key

DERIVED = ("organisation", "name_key", "email_key")
"""Columns that say nothing which the others do not."""


@dataclass(frozen=True)
class Belonging:
    """Rows of one table that belong to a customer: one file of an export."""

    name: str
    what: str
    table: sa.Table
    by: str = "customer"
    via: sa.Table | None = None
    via_key: str = "id"
    via_by: str = "customer"
    order: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def columns(self) -> list[sa.Column[Any]]:
        return [one for one in self.table.columns if one.name not in (*DERIVED, *self.hidden)]

    @property
    def ordered_by(self) -> list[sa.Column[Any]]:
        named = self.order or [one.name for one in self.table.primary_key if one.name != "organisation"]
        return [self.table.c[name] for name in named]

    def mine(self, organisation: str, customer: str) -> list[sa.ColumnElement[bool]]:
        """The conditions that a row is the customer's."""
        own = [self.table.c.organisation == organisation]
        if self.via is None:
            return [*own, self.table.c[self.by] == customer]
        owner = self.via.c
        theirs = sa.select(owner[self.via_key]).where(
            owner.organisation == organisation, owner[self.via_by] == customer
        )
        return [*own, self.table.c[self.by].in_(theirs)]


def of_key(name: str, what: str, table: sa.Table) -> Belonging:
    return Belonging(name, what, table, by="key", via=key)
