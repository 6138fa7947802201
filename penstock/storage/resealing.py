"""What each key seals, sealing all of it anew page by page, and the states of keys: active (new values), kept (old
values), retired (nothing any more), lost (what it sealed is gone)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import Conflict, NotFound
from penstock.storage.engine import Transaction, is_sqlite
from penstock.storage.keyring import ID_CHARS
from penstock.storage.sealed import (
    SealedBytes,
    SealedText,
    active_key,
    open_row,
    raw_of,
    row_key,
    seal_rows,
    sealed_columns,
    sealing_key,
)

PAGE = 100  # rows of one transaction: writers wait for some milliseconds, and the largest answers still fit in memory
LOCK_S = 0.2  # so long whoever seals waits behind us, too
_LOCK_NOT_FREE = "55P03"

Place = Sequence[Any]
"""The key of a row: from where a walk over a table goes on."""


@dataclass(frozen=True)
class SealingKey:
    """A key as the database knows it. ended_at: when it was retired or given up for lost."""

    id: str
    state: str
    made_at: datetime
    ended_at: datetime | None


def sealing_keys(tx: Transaction) -> list[SealingKey]:
    """All keys there ever were, oldest first."""
    keys = sealing_key.c
    query = sa.select(keys.id, keys.state, keys.made_at, keys.ended_at).where(keys.organisation == tx.organisation)
    return [SealingKey(**row) for row in tx.all(query.order_by(keys.made_at, keys.id))]


def switch(tx: Transaction, id: str) -> bool:
    """Make `id` the key for new values. Once this is committed no transaction seals with the one before: SQLite's
    writers take turns; on Postgres this waits for all that have asked which key is active, and they for it.

    False, and nothing is changed, where somebody reads the keys for longer than LOCK_S, as a backup does.
    """
    if not _sealers_are_done(tx):
        return False
    keys = sealing_key.c
    mine = keys.organisation == tx.organisation
    tx.execute(sa.update(sealing_key).where(mine, keys.state == "active").values(state="kept"))
    row = {"organisation": tx.organisation, "id": id, "state": "active", "made_at": tx.now}
    tx.execute(sa.insert(sealing_key), row)
    return True


def end(tx: Transaction, id: str, state: str) -> None:
    """A kept key becomes "retired" or "lost". Raises NotFound, or Conflict for one that is active or has ended."""
    found = next((one for one in sealing_keys(tx) if one.id == id), None)
    if found is None:
        raise NotFound(f"there is no key {id!r}", hint="penstock sealing show")
    if found.state == "active":
        raise Conflict("it seals new values", where=id, hint="make another one first: penstock sealing rotate")
    if found.state != "kept":
        raise Conflict(f"the key is {found.state} already", where=id)
    keys = sealing_key.c
    mine = keys.organisation == tx.organisation, keys.id == id
    tx.execute(sa.update(sealing_key).where(*mine).values(state=state, ended_at=tx.now))


def count_values(tx: Transaction, table: sa.Table) -> Counter[str]:
    """How many of the table's values each key seals, by its id; "" for those that are plain."""
    found: Counter[str] = Counter()
    for column in sealed_columns(table):
        raw, head = raw_of(column)
        sealed = sa.func.substr(raw, 1, len(head)) == head
        key = sa.case((sealed, sa.func.substr(raw, len(head) + 1, ID_CHARS)), else_=head[:0])
        query = sa.select(key.label("key"), sa.func.count().label("many")).where(_mine(tx, table), _filled(column))
        for row in tx.all(query.group_by(key)):
            told = row["key"].decode() if isinstance(row["key"], bytes) else row["key"]
            found[told] += row["many"]
    return found


def reseal_page(tx: Transaction, table: sa.Table, after: Place | None, limit: int = PAGE) -> tuple[Place | None, int]:
    """Seal the table's next rows with values that are plain or under another key than the active one; returns where to
    go on, None at the end, and how many rows were sealed. Sealed again from the beginning, it passes over them."""
    id = active_key(tx)
    other = [sa.and_(_filled(column), ~_under(column, id)) for column in sealed_columns(table)]
    rows = _page(tx, table, sa.or_(*other), after, limit)
    sealed = seal_rows(tx, table, [open_row(tx, table, row) for row in rows])
    if sealed:
        names = [column.name for column in sealed_columns(table)]
        same = [column == sa.bindparam(f"key_{column.name}") for column in row_key(table)]
        statement = sa.update(table).where(_mine(tx, table), *same)
        statement = statement.values({name: sa.bindparam(f"new_{name}") for name in names})
        values = [
            {f"key_{one.name}": row[one.name] for one in row_key(table)} | {f"new_{n}": row[n] for n in names}
            for row in sealed
        ]
        tx.execute_unrecorded(statement, values)
    return (_place(table, rows[-1]) if len(rows) == limit else None), len(rows)


def lose_page(tx: Transaction, table: sa.Table, id: str, limit: int = PAGE) -> int:
    """Empty the values of up to `limit` rows that only the lost key `id` could open, or delete the rows that are
    nothing without them; returns how many rows."""
    columns = sealed_columns(table)
    rows = _page(tx, table, sa.or_(*(_under(column, id) for column in columns)), None, limit)
    keys = [tuple(_place(table, row)) for row in rows]
    if not keys:
        return 0
    mine = _mine(tx, table), sa.tuple_(*row_key(table)).in_(keys)
    for column in columns:
        if column.info["lost"] == "row":
            tx.execute_unrecorded(sa.delete(table).where(*mine, _under(column, id)))
            continue
        empty = None if column.nullable else "" if isinstance(column.type, SealedText) else []
        tx.execute_unrecorded(sa.update(table).where(*mine, _under(column, id)).values({column.name: empty}))
    return len(rows)


def _sealers_are_done(tx: Transaction) -> bool:
    if is_sqlite(tx.connection.engine):
        return True
    try:
        with tx.connection.begin_nested():
            tx.connection.exec_driver_sql(f"set local lock_timeout = '{int(LOCK_S * 1000)}ms'")
            tx.connection.exec_driver_sql("lock table sealing_key in access exclusive mode")
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_FREE:
            raise
        return False
    return True


def _page(
    tx: Transaction, table: sa.Table, wanted: sa.ColumnElement[bool], after: Place | None, limit: int
) -> Sequence[sa.RowMapping]:
    keys = row_key(table)
    query = sa.select(*keys, *sealed_columns(table)).where(_mine(tx, table), wanted)
    if after is not None:
        given = [sa.literal(value, one.type) for value, one in zip(after, keys, strict=True)]
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*given))
    return tx.all(query.order_by(*keys).limit(limit).with_for_update())


def _place(table: sa.Table, row: sa.RowMapping) -> Place:
    return [row[one.name] for one in row_key(table)]


def _mine(tx: Transaction, table: sa.Table) -> sa.ColumnElement[bool]:
    mine: sa.ColumnElement[bool] = table.c.organisation == tx.organisation
    return mine


def _filled(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Whether there is something to seal."""
    raw, _ = raw_of(column)
    if isinstance(column.type, SealedBytes):
        return sa.and_(raw.is_not(None), raw != b"")
    return sa.and_(raw.is_not(None), raw.not_in(("", '""', "[]", "{}", "null")))


def _under(column: sa.Column[Any], id: str) -> sa.ColumnElement[bool]:
    raw, head = raw_of(column)
    whole = head + id.encode() if isinstance(head, bytes) else head + id
    under: sa.ColumnElement[bool] = sa.func.substr(raw, 1, len(whole)) == whole
    return under
