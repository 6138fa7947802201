"""Columns that hold what customers send and get: sealed when written, opened when read, bound to their table, column
and row, so that a value put elsewhere does not open. What is empty stays empty, so that SQL can ask for it.

A value that is not sealed cannot be written into such a column. One that was written before there were keys is read as
it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from penstock.core.errors import Broken
from penstock.storage.changes import SECRET
from penstock.storage.engine import Store, Transaction, is_sqlite
from penstock.storage.keyring import HEAD_BYTES, PREFIX, Keyring, about, key_of
from penstock.storage.schema import Instant, metadata

sealing_key = sa.Table(
    "sealing_key",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),  # when it was retired or given up
    sa.CheckConstraint("state in ('active', 'kept', 'retired', 'lost')", name="state"),
    sa.Index(
        "uq_sealing_key_active",
        "organisation",
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    ),
)


@dataclass(frozen=True)
class Envelope:
    """A value of a sealed column, as the database has it."""

    raw: Any


class _Sealed:
    """Lets through envelopes and what is empty."""

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if isinstance(value, Envelope):
            return value.raw
        if _empty(value):
            return value
        raise TypeError("this column takes sealed values only: seal the row before it is written (storage/sealed.py)")

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value if _empty(value) else Envelope(value)


class SealedText(_Sealed, TypeDecorator[Any]):
    """Text; sealed, in base64."""

    impl = sa.String
    cache_ok = True


class SealedJson(_Sealed, TypeDecorator[Any]):
    """A JSON value; sealed, a JSON string in base64."""

    impl = sa.JSON
    cache_ok = True


class SealedBytes(_Sealed, TypeDecorator[Any]):
    """Bytes."""

    impl = sa.LargeBinary
    cache_ok = True


def sealed_column(name: str, kind: type[Any], *, nullable: bool = False, lost: str = "value") -> sa.Column[Any]:
    """A column of one of the types above. lost: what goes when its key is lost, the "value" or the whole "row"."""
    return sa.Column(name, kind(), nullable=nullable, info={**SECRET, "lost": lost})


@cache
def sealed_columns(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    return tuple(column for column in table.columns if isinstance(column.type, _Sealed))


def sealed_tables() -> list[sa.Table]:
    """Every table with a sealed column."""
    return [table for table in metadata.sorted_tables if sealed_columns(table)]


@cache
def row_key(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    """What names a row within its organisation."""
    return tuple(column for column in table.primary_key if column.name != "organisation")


def seal_rows(tx: Transaction, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their sealed columns sealed under the key for new values. Each holds its primary key."""
    columns = sealed_columns(table)
    if not any(not _empty(row.get(column.name)) for row in rows for column in columns):
        return [dict(row) for row in rows]
    id = active_key(tx)
    return [
        {
            **row,
            **{
                one.name: Envelope(_packed(keys_of(tx).seal(id, _bytes(one, value), _about(tx, table, one, row)), one))
                for one in columns
                if not _empty(value := row.get(one.name)) and one.name in row
            },
        }
        for row in rows
    ]


def open_row(tx: Transaction, table: sa.Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row with its sealed columns opened; it holds its primary key."""
    found = dict(row)
    for column in sealed_columns(table):
        value = row.get(column.name)
        if isinstance(value, Envelope):
            found[column.name] = _opened(tx, table, column, row, value.raw)
    return found


def opened(tx: Transaction, table: sa.Table, query: sa.Executable) -> list[dict[str, Any]]:
    """The rows that a query finds, each with its sealed columns opened."""
    return [open_row(tx, table, row) for row in tx.all(query)]


def active_key(tx: Transaction) -> str:
    """The id of the key for new values, read in the transaction that seals: once a rotation has committed, nobody seals
    with the key before. The first is made where there is none."""
    known, mine = keys_of(tx), {"mine": tx.organisation}
    found = tx.execute(_ACTIVE, mine).scalar()
    if found is None:
        row = {"organisation": tx.organisation, "id": known.newest(), "state": "active", "made_at": tx.now}
        insert = sqlite.insert if is_sqlite(tx.connection.engine) else postgresql.insert
        tx.execute_unrecorded(insert(sealing_key).values(row).on_conflict_do_nothing())
        found = tx.execute(_ACTIVE, mine).scalar()
    if not known.has(str(found)):
        raise known.missing(str(found))
    return str(found)


def has_active_key(tx: Transaction) -> bool:
    """Whether the keyring has the key for new values, or is yet to make the first: a look without a write."""
    found = tx.execute(_ACTIVE, {"mine": tx.organisation}).scalar()
    return found is None or keys_of(tx).has(str(found))


_ACTIVE = sa.select(sealing_key.c.id).where(  # built once: it runs in every commit of the writer
    sealing_key.c.organisation == sa.bindparam("mine"), sealing_key.c.state == "active"
)


def check_keys(store: Store) -> None:
    """Make the first key where there is none. Raises Unavailable unless every key that may seal a value is there."""
    keys = sealing_key.c
    with store.transaction() as tx:
        active_key(tx)
        mine = keys.organisation == tx.organisation, keys.state.in_(("active", "kept"))
        for row in tx.all(sa.select(keys.id).where(*mine)):
            if not keys_of(tx).has(row["id"]):
                raise keys_of(tx).missing(row["id"])


def keys_of(tx: Transaction) -> Keyring:
    if tx.keys is None:
        raise Broken("this store was opened without a keyring, and what customers send is kept sealed only")
    return tx.keys


def raw_of(column: sa.Column[Any]) -> tuple[sa.ColumnElement[Any], Any]:
    """A sealed column as SQL can look at it, and what its sealed values begin with."""
    if isinstance(column.type, SealedBytes):
        return sa.type_coerce(column, sa.LargeBinary), PREFIX
    if isinstance(column.type, SealedJson):
        return sa.cast(column, sa.Text), '"' + PREFIX.decode()
    return sa.type_coerce(column, sa.String), PREFIX.decode()


def _about(tx: Transaction, table: sa.Table, column: sa.Column[Any], row: Mapping[Any, Any]) -> bytes:
    return about(table.name, column.name, tx.organisation, *(str(row[one.name]) for one in row_key(table)))


def _opened(tx: Transaction, table: sa.Table, column: sa.Column[Any], row: Mapping[Any, Any], raw: Any) -> Any:
    sealed = _unpacked(raw) if isinstance(raw, str) else raw
    if not isinstance(sealed, bytes) or key_of(sealed) is None:
        return raw  # written before there were keys
    where = f"{table.name} {', '.join(str(row[one.name]) for one in row_key(table))}"
    plain = keys_of(tx).open(sealed, _about(tx, table, column, row), where)
    if isinstance(column.type, SealedBytes):
        return plain
    told = plain.decode("utf-8", "surrogatepass")
    return json.loads(told) if isinstance(column.type, SealedJson) else told


def _bytes(column: sa.Column[Any], value: Any) -> bytes:
    if isinstance(column.type, SealedBytes):
        return bytes(value)
    told = json.dumps(value, ensure_ascii=False) if isinstance(column.type, SealedJson) else str(value)
    return told.encode("utf-8", "surrogatepass")


def _packed(sealed: bytes, column: sa.Column[Any]) -> Any:
    """As the column keeps it; the head stays readable, for SQL to count by key."""
    if isinstance(column.type, SealedBytes):
        return sealed
    return sealed[:HEAD_BYTES].decode() + base64.b64encode(sealed[HEAD_BYTES:]).decode()


def _unpacked(text: str) -> bytes | None:
    """The sealed bytes; None of a text that is not sealed."""
    if not text.startswith(PREFIX.decode()):
        return None
    try:
        return text[:HEAD_BYTES].encode() + base64.b64decode(text[HEAD_BYTES:], validate=True)
    except ValueError:
        return PREFIX  # which does not open


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | bytes | list | dict) and not value)
