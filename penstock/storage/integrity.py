"""Whether the database's own structures are whole: SQLite's integrity check; on Postgres amcheck where it is installed,
else a read of every row. It reads all pages; what the rows mean is each domain's to verify."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from penstock.core.errors import Unavailable
from penstock.storage.engine import is_sqlite

LARGEST_REPORT = 20  # lines; what is damaged in twenty places is restored, not mended


def damages(engine: sa.Engine) -> list[str]:
    """What is damaged, a line each; empty: the database is whole. Raises Unavailable when it does not answer."""
    found = _of_sqlite(engine) if is_sqlite(engine) else _of_postgres(engine)
    return [line for _, line in zip(range(LARGEST_REPORT), found, strict=False)]


def how(engine: sa.Engine) -> str:
    """What `damages` does on this database, in words for people."""
    if is_sqlite(engine):
        return "integrity check"
    with engine.connect() as connection:
        return "amcheck" if _has_amcheck(connection) else "every row read"


def _of_sqlite(engine: sa.Engine) -> Iterator[str]:
    try:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(f"PRAGMA integrity_check({LARGEST_REPORT})").scalars().all()
    except sa.exc.OperationalError as error:
        raise Unavailable(f"the database answered: {error.orig}") from error
    except sa.exc.DatabaseError as error:  # too damaged to be examined
        yield str(error.orig)
        return
    yield from (str(row) for row in rows if row != "ok")


def _of_postgres(engine: sa.Engine) -> Iterator[str]:
    with engine.connect() as connection:
        tables = connection.execute(_NAMED, {"kind": "r"}).scalars().all()
        indexes = connection.execute(_NAMED, {"kind": "i"}).scalars().all() if _has_amcheck(connection) else []
    for index in indexes:
        yield from _tried(engine, sa.text("select bt_index_check(cast(:name as regclass))"), index)
    for table in tables:
        # the text of a row needs all of its columns, those kept out of line too
        read = sa.text(f"select sum(length(one::text)) from {table} one")  # noqa: S608 - quoted by regclass
        yield from _tried(engine, read, table)


def _tried(engine: sa.Engine, statement: sa.TextClause, name: str) -> Iterator[str]:
    try:
        with engine.connect() as connection:
            connection.execute(statement, {"name": name} if ":name" in statement.text else None)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _DENIED:
            return  # amcheck's functions are a superuser's unless granted; the rows are read anyway
        if isinstance(error, sa.exc.OperationalError) and error.connection_invalidated:
            raise Unavailable(f"the database answered: {error.orig}") from error
        yield f"{name}: {str(error.orig).splitlines()[0]}"


def _has_amcheck(connection: sa.Connection) -> bool:
    return connection.execute(sa.text("select 1 from pg_extension where extname = 'amcheck'")).scalar() is not None


_DENIED = "42501"
_NAMED = sa.text(
    """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (array[current_schema(), 'dbos']) and c.relpersistence = 'p' and c.relkind = :kind
    and (:kind = 'r' or c.relam = (select oid from pg_am where amname = 'btree')) order by 1"""
)
"""Our tables (kind r) or B-tree indexes (kind i), quoted where they must be."""
