"""What the statements of one transaction change: rows by table, as they were before and as they are after.

Only for transactions in which somebody acts (see audit.py). A table whose rows keep their own record, or that says
nothing to a person, declares why: `info=unaudited("…")`. A column whose value nobody may read: `info=SECRET`. One
that says who a customer is or what it said, and which an erasure empties in the log too: `info=PERSONAL`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.hashing import canonical_json, sha256_of

MAX_ROWS = 25  # kept of one transaction with their values; closing a month writes hundreds, which its books keep
LONGEST_VALUE = 1_000  # bytes of a value's JSON; of a longer one its hash is kept
SECRET = {"secret": True}
PERSONAL = {"personal": True}
_WHY = "unaudited"

Row = Mapping[str, Any]


def unaudited(why: str) -> dict[str, str]:
    """The `info` of a table whose changes are in no audit log."""
    return {_WHY: why}


@dataclass(frozen=True)
class Change:
    """One row, as JSON values. key: its primary key. before: None when it was made. after: None when it was deleted.
    Of a row that was changed only what differs."""

    table: str
    key: Row
    before: Row | None
    after: Row | None

    def names(self, ids: Collection[str]) -> bool:
        """Whether one of its values, before or after, is one of these."""
        rows = (self.key, self.before or {}, self.after or {})
        return any(isinstance(value, str) and value in ids for row in rows for value in row.values())


@dataclass
class Changes:
    """What a transaction changed so far. more: changed rows beyond MAX_ROWS, counted by table."""

    more: dict[str, int] = field(default_factory=dict)
    _rows: dict[tuple[sa.Table, tuple[Any, ...]], tuple[Row | None, Row | None]] = field(default_factory=dict)
    _noted: list[Change] = field(default_factory=list)

    def kept(self) -> list[Change]:
        """The changes, in the order they were first made. A row that is again as it was is none."""
        touched = [_change(table, before, after) for (table, _), (before, after) in self._rows.items()]
        return [one for one in touched if one is not None] + self._noted

    def note(self, kind: str, key: Row, facts: Row) -> None:
        """Record what no statement of this transaction makes: a run begun."""
        self._noted.append(Change(kind, _shown(key), None, _shown(facts)))

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """What a savepoint takes back was not changed."""
        before = dict(self.more), dict(self._rows), list(self._noted)
        try:
            yield
        except BaseException:
            self.more, self._rows, self._noted = before
            raise

    def execute(self, connection: sa.Connection, statement: sa.Executable, rows: Any) -> sa.CursorResult[Any]:
        """Run a statement, and record what it changes."""
        table = getattr(statement, "table", None)
        if not isinstance(table, sa.Table) or _WHY in table.info:
            return connection.execute(statement, rows)
        if isinstance(statement, sa.Insert):
            return self._insert(connection, table, statement, rows)
        if isinstance(statement, sa.Update | sa.Delete):
            return self._change(connection, table, statement, rows)
        return connection.execute(statement, rows)

    def _insert(
        self, connection: sa.Connection, table: sa.Table, statement: sa.Insert, rows: Any
    ) -> sa.CursorResult[Any]:
        given = _given(connection, statement, rows)
        looked_at = given[: self._places]
        conflicts = getattr(statement, "_post_values_clause", None) is not None  # what happens then, the rows tell
        before = _present(connection, table, looked_at) if conflicts else {}
        result = connection.execute(statement, rows)
        after = _present(connection, table, looked_at) if conflicts else _by_identity(table, looked_at)
        self._keep(table, {key: before.get(key) for key in after}, after)
        self._count(table, len(given) - len(looked_at))
        return result

    def _change(self, connection: sa.Connection, table: sa.Table, statement: Any, rows: Any) -> sa.CursorResult[Any]:
        before = self._about_to_change(connection, table, statement, rows)
        result: sa.CursorResult[Any] = connection.execute(statement, rows)
        after = _present(connection, table, before.values()) if statement.is_update else {}
        self._keep(table, before, after)
        self._count(table, max(0, result.rowcount - len(before)))
        return result

    def _about_to_change(
        self, connection: sa.Connection, table: sa.Table, statement: Any, rows: Any
    ) -> dict[tuple[Any, ...], Row]:
        query = sa.select(table).where(*statement._where_criteria).limit(self._places).with_for_update()
        found: list[Row] = []
        for given in rows if isinstance(rows, Sequence) else [rows]:
            if self._places > len(found):
                found += [dict(row) for row in connection.execute(query, given).mappings()]
        return _by_identity(table, found[: self._places])

    def _keep(self, table: sa.Table, before: Mapping[Any, Row | None], after: Mapping[Any, Row]) -> None:
        for key, was in before.items():
            first = self._rows.get((table, key), (was, None))[0]  # of one changed twice, how it was at first
            self._rows[table, key] = (first, after.get(key))

    def _count(self, table: sa.Table, rows: int) -> None:
        if rows:
            self.more[table.name] = self.more.get(table.name, 0) + rows

    @property
    def _places(self) -> int:
        return max(0, MAX_ROWS - len(self._rows))


def _given(connection: sa.Connection, statement: sa.Insert, rows: Any) -> list[Row]:
    """The rows that an INSERT was given: apart, or in its VALUES."""
    if rows:
        return [rows] if isinstance(rows, Mapping) else list(rows)
    return [statement.compile(dialect=connection.dialect).params]


def _present(connection: sa.Connection, table: sa.Table, rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """The rows with the primary keys of these, as they are now."""
    found: list[Row] = []
    for row in rows:
        same = (column == row[column.name] for column in table.primary_key)
        found += [dict(one) for one in connection.execute(sa.select(table).where(*same)).mappings()]
    return _by_identity(table, found)


def _by_identity(table: sa.Table, rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[column.name] for column in table.primary_key): row for row in rows}


def _change(table: sa.Table, before: Row | None, after: Row | None) -> Change | None:
    known = before or after
    if known is None:  # made and deleted
        return None
    names = [column.name for column in table.primary_key if column.name != "organisation"]
    secret = frozenset(column.name for column in table.columns if column.info.get("secret"))
    was: Row | None = None if before is None else _plain(before)
    now: Row | None = None if after is None else _plain(after)
    if was is not None and now is not None:
        was, now = _differing(was, now)
        if not was and not now:
            return None
    key = _shown({name: known[name] for name in names if name in known})
    return Change(table.name, key, was and _shown(was, secret), now and _shown(now, secret))


def _differing(before: Row, after: Row) -> tuple[Row, Row]:
    """What differs of two JSON objects, down to the innermost."""
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for name in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            one, other = _differing(one, other)
        if name in before:
            was[name] = one
        if name in after:
            now[name] = other
    return was, now


def _shown(row: Row, secret: frozenset[str] = frozenset()) -> Row:
    return {
        name: "(secret)" if name in secret and value is not None else _short(_plain(value))
        for name, value in row.items()
        if name != "organisation"
    }


def _short(value: Any) -> Any:
    text = canonical_json(value)
    return value if len(text) <= LONGEST_VALUE else {"sha256": sha256_of(text), "bytes": len(text)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return repr(value)  # one text on every database
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(inner) for inner in value]
    return str(value)
