"""Finds the one row that a person means by an id, a name, an e-mail address or a code. It never guesses between two.

An exact id is taken first. Otherwise every field is looked at together, so that a customer who is *named* like
another's e-mail address is not taken for it: two candidates are refused, and both are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.core.folding import fold
from penstock.storage.engine import Transaction

NAMED_MAX = 5
_MOST_ALIKE = 100


def resolve(
    tx: Transaction,
    rows: sa.Select[Any],
    ref: str,
    *,
    table: sa.Table,
    what: str,
    more: Sequence[sa.ColumnElement[bool]] = (),
) -> sa.RowMapping:
    """The row of `rows` that `ref` means: by `table.id`, else by name, e-mail (both folded) or any condition of `more`.

    table: has id, name, email and their folded name_key, email_key. what: e.g. "customer", for the errors. Raises
    NotFound, and BadInput naming the candidates when several rows match.
    """
    by_id = tx.first(rows.where(table.c.id == ref))
    if by_id is not None:
        return by_id
    key = fold(ref)
    if not key:
        raise NotFound(f"no {what} {ref!r}", where=what, hint=f"see `penstock {what} list`")
    ids = _ids_of(tx, table, table.c.name_key == key, table.c.email_key == key, *more)
    matching = rows.where(table.c.id.in_(ids)).order_by(table.c.created_at, table.c.id)
    found = tx.all(matching.limit(NAMED_MAX + 1)) if ids else []
    if not found:
        raise NotFound(f"no {what} {ref!r}", where=what, hint=f"see `penstock {what} list`")
    if len(found) > 1:
        raise BadInput(
            f"several {what}s match {ref!r}: {named(found)}", where=what, hint=f"give the id of the {what} you mean"
        )
    return found[0]


def similar(
    tx: Transaction, rows: sa.Select[Any], *, table: sa.Table, name: str, email: str, but: str | None = None
) -> Sequence[sa.RowMapping]:
    """The rows (other than id `but`) that a new `name` or `email` could be mistaken for, by name or e-mail address."""
    keys = [fold(name), fold(email)]
    ids = [one for one in _ids_of(tx, table, table.c.name_key.in_(keys), table.c.email_key.in_(keys)) if one != but]
    if not ids:
        return []
    same_first = sa.case((table.c.name == name, 0), else_=1)
    return tx.all(
        rows.where(table.c.id.in_(ids)).order_by(same_first, table.c.created_at, table.c.id).limit(NAMED_MAX + 1)
    )


def named(found: Sequence[sa.RowMapping]) -> str:
    """Candidates in one line: `Ada <ada@example.com> (cus_…), …`."""
    texts = [f"{row['name']} <{row['email']}> ({row['id']})" for row in found[:NAMED_MAX]]
    return ", ".join(texts + ["…"] * (len(found) > NAMED_MAX))


def _ids_of(tx: Transaction, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> list[str]:
    """Of rows that meet one of the conditions, each looked up by its own index: of an OR, SQLite reads the whole
    organisation. Of more than a hundred any hundred are as good to be named."""
    own = table.c.organisation == tx.organisation
    found = sa.union(*(sa.select(table.c.id).where(own, one) for one in conditions)).limit(_MOST_ALIKE)
    return [row["id"] for row in tx.all(found)]
