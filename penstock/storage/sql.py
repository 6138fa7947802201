"""What SQLite and Postgres do not do alike: inserting new rows only, and sums without a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from penstock.storage.engine import Transaction

_HALF = 32  # bits of the lower half of a quantity


def insert_new(tx: Transaction, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose keys are not there yet; answer how many were inserted.

    On Postgres it waits for a concurrent writer of the same key, so the answer holds after the commit.
    """
    if not rows:
        return 0
    values = [{"organisation": tx.organisation, **row} for row in rows]
    inserted = tx.execute(_insert_new(table, tx.connection.dialect.name), values)
    return len(inserted.all())  # a row count is not told alike by the two drivers


def halves(units: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    """Two columns, `high` and `low`, from which `whole` makes the exact sum of `units`.

    SQLite fails on a sum beyond 64 bits; the sums of the halves stay far below them.
    """
    low = sa.func.sum(units.bitwise_and((1 << _HALF) - 1))
    high = sa.func.sum(units.bitwise_rshift(sa.literal(_HALF, sa.Integer)))
    return high.label("high"), low.label("low")


def whole(row: sa.RowMapping) -> int:
    """The sum whose `halves` are in the row; 0 where nothing was summed."""
    return (int(row["high"] or 0) << _HALF) + int(row["low"] or 0)


@cache
def _insert_new(table: sa.Table, dialect: str) -> sa.Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing().returning(table.c.organisation)
