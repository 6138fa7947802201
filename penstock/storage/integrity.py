"""Whether the database's own structures are whole: SQLite's integrity check; on Postgres a read of every row, and of
every index by amcheck where it is installed and granted. What the rows mean is each domain's to verify."""

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
    """What `damages` does on this database, in words for people; also what it cannot do."""
    if is_sqlite(engine):
        return "integrity check"
    with engine.connect() as connection:
        missing = _missing(connection)
    return "amcheck, every row read" if missing is None else f"every row read; no index was looked at: {missing}"


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


def _of_postgres(opened: sa.Engine) -> Iterator[str]:
    engine = sa.create_engine(opened.url, poolclass=sa.NullPool)  # ours refuses all after the first damage it meets
    with engine.connect() as connection:
        tables = connection.execute(_NAMED, {"kind": "r"}).scalars().all()
        indexes = connection.execute(_NAMED, {"kind": "i"}).scalars().all() if _missing(connection) is None else []
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
        if isinstance(error, sa.exc.OperationalError) and error.connection_invalidated:
            raise Unavailable(f"the database answered: {error.orig}") from error
        yield f"{name}: {str(error.orig).splitlines()[0]}"


def _missing(connection: sa.Connection) -> str | None:
    """What a superuser has to do before indexes can be checked; None where they can."""
    if connection.execute(sa.text("select 1 from pg_extension where extname = 'amcheck'")).scalar() is None:
        return "create extension amcheck"
    if connection.execute(_MAY_CHECK).scalar():
        return None
    role = connection.exec_driver_sql("select quote_ident(current_user)").scalar()
    return f"grant execute on function bt_index_check(regclass) to {role}"


_MAY_CHECK = sa.text(
    "select bool_and(has_function_privilege(oid, 'execute')) from pg_proc "
    "where proname = 'bt_index_check' and pronargs = 1"
)
_NAMED = sa.text(
    """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (array[current_schema(), 'dbos']) and c.relpersistence = 'p' and c.relkind = :kind
    and (:kind = 'r' or c.relam = (select oid from pg_am where amname = 'btree')) order by 1"""
)
"""Our tables (kind r) or B-tree indexes (kind i), quoted where they must be."""
