"""The one insert that SQLite and Postgres share: new rows only, existing ones left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from penstock.storage.engine import Transaction


def insert_new(tx: Transaction, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose keys are not there yet; answer how many were inserted.

    On Postgres it waits for a concurrent writer of the same key, so the answer holds after the commit.
    """
    if not rows:
        return 0
    insert = sqlite.insert if tx.connection.dialect.name == "sqlite" else postgresql.insert
    values = [{"organisation": tx.organisation, **row} for row in rows]
    statement = insert(table).values(values).on_conflict_do_nothing().returning(table.c.organisation)
    return len(tx.all(statement))  # a row count is not told alike by the two drivers
