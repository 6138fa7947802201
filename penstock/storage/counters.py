"""Gapless sequences and generation marks: two small tables that order what several processes do."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from penstock.storage.engine import Transaction
from penstock.storage.schema import generation, sequence


def take(tx: Transaction, name: str, count: int = 1) -> int:
    """Reserve `count` consecutive numbers of sequence `name`; answer the first (1-based).

    The row stays locked until the transaction ends, so numbers become visible in order and a
    rollback leaves no gap.
    """
    return _add(tx, sequence, "name", name, count) - count + 1


def bump(tx: Transaction, topic: str) -> int:
    """Mark that `topic` (e.g. 'keys', 'releases') changed; readers poll `generations`."""
    return _add(tx, generation, "topic", topic, 1)


def generations(tx: Transaction) -> dict[str, int]:
    """The present mark of every topic that ever changed."""
    rows = tx.all(sa.select(generation.c.topic, generation.c.value).where(generation.c.organisation == tx.organisation))
    return {row["topic"]: row["value"] for row in rows}


def _add(tx: Transaction, table: sa.Table, key: str, name: str, count: int) -> int:
    insert = sqlite.insert if tx.connection.dialect.name == "sqlite" else postgresql.insert
    statement = (
        insert(table)
        .values({"organisation": tx.organisation, key: name, "value": count})
        .on_conflict_do_update(index_elements=["organisation", key], set_={"value": table.c.value + count})
        .returning(table.c.value)
    )
    return int(tx.scalar(statement))
