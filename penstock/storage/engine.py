"""Opens the database and hands out transactions. Knows SQLite and Postgres; knows no domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import BadInput, Broken, DatabaseUnavailable, Unavailable
from penstock.core.ids import Ids, random_ids
from penstock.core.installing import install_hint
from penstock.storage.changes import Changes
from penstock.storage.keyring import Keyring
from penstock.storage.sqlite import BUSY_TIMEOUT_MS, sqlite_engine

_DAMAGED = ("malformed", "is not a database", "XX001", "XX002")
"""SQLite's words and Postgres' codes for pages that do not hold what they must."""

_READ_ONLY = "25006"  # Postgres' code; SQLite's error is an operational one


@dataclass(frozen=True)
class Transaction:
    """One unit of work: a connection inside BEGIN, for one organisation, with its clock and ids. keys: what seals the
    values of customers (sealed.py). changes: what it changed so far, where somebody acts."""

    connection: sa.Connection
    organisation: str
    clock: Clock
    ids: Ids
    keys: Keyring | None = None
    changes: Changes | None = None

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def shared_now(self) -> datetime:
        """The database's time, which all processes share: for leases, and whatever another process must agree on."""
        return self.clock.shared(self._database_now)

    def _database_now(self) -> datetime:
        if self.connection.dialect.name == "sqlite":  # its processes are on one machine, so it is that one's clock
            text = self.scalar(sa.text("select strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"))
            return datetime.fromisoformat(text)
        found: datetime = self.scalar(sa.text("select clock_timestamp()"))
        return found.astimezone(UTC)

    def new_id(self, prefix: str) -> str:
        return self.ids(prefix)

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run a statement; `rows` is one mapping or a list of them (executemany)."""
        if self.changes is not None:
            return self.changes.execute(self.connection, statement, rows)
        return self.connection.execute(statement, rows)

    def execute_unrecorded(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run a statement past the audit log, which would keep for ever what the rows said: what an erasure takes."""
        return self.connection.execute(statement, rows)

    def all(self, statement: sa.Executable) -> Sequence[sa.RowMapping]:
        return self.execute(statement).mappings().all()

    def first(self, statement: sa.Executable) -> sa.RowMapping | None:
        return self.execute(statement).mappings().first()

    def scalar(self, statement: sa.Executable) -> Any:
        return self.execute(statement).scalar()

    def note(self, kind: str, key: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Say in the audit log what somebody made that is no row of a table; nothing where nobody acts."""
        if self.changes is not None:
            self.changes.note(kind, key, facts)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: an error in the block undoes the block and leaves the transaction usable."""
        with translated_errors(), self.connection.begin_nested(), (self.changes or Changes()).undone_on_error():
            yield


@dataclass(frozen=True)
class Store:
    """A database opened for one organisation. Close it when done. keys: without them no value of a customer is
    read or written. journal: told of each transaction's changes before it is committed (audit.acting); None where
    nobody acts."""

    engine: sa.Engine
    organisation: str
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = random_ids
    keys: Keyring | None = None
    journal: Callable[[Transaction, Changes], None] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A writing transaction: committed at the end of the block, rolled back on any error."""
        with translated_errors(), self.engine.begin() as connection:
            changes = None if self.journal is None else Changes()
            yield Transaction(connection, self.organisation, self.clock, self.ids, self.keys, changes)
            if self.journal is not None and changes is not None:
                self.journal(Transaction(connection, self.organisation, self.clock, self.ids), changes)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent read that never waits for writers."""
        with translated_errors(), self.engine.connect() as connection:
            connection = connection.execution_options(penstock_read=True)
            with connection.begin():
                if not is_sqlite(self.engine):  # SQLite's reads are snapshots of themselves
                    connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
                yield Transaction(connection, self.organisation, self.clock, self.ids, self.keys)

    @contextmanager
    def dry_run(self) -> Iterator[Transaction]:
        """A writing transaction that is rolled back at the end of the block: what it found out is all that stays."""
        try:
            with self.transaction() as tx:
                yield tx
                raise _RolledBack
        except _RolledBack:
            pass

    def close(self) -> None:
        self.engine.dispose()


class _RolledBack(Exception):
    """Ends a transaction whose work is not kept."""


def open_store(
    url: str,
    organisation: str,
    *,
    keys: Keyring | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    pool_size: int = 5,
) -> Store:
    """Open `sqlite:///path` or `postgresql://…`. The schema must be current: see migrate.upgrade."""
    engine = open_engine(url, pool_size=pool_size)
    return Store(engine, organisation, clock or SystemClock(), ids or random_ids, keys)


def open_engine(url: str, *, pool_size: int = 5, create: bool = False) -> sa.Engine:
    """An engine with this house's settings: durable commits and serialised writers. create: make a SQLite file that
    is absent; without it the first connection raises Unavailable.

    Once a page was found damaged, every transaction of this engine is refused: nothing is sold on such books.
    """
    if url.startswith("sqlite"):
        return _refuse_damage(sqlite_engine(url, pool_size, create=create))
    if url.startswith("postgres"):
        return _refuse_damage(_postgres_engine(url, pool_size))
    kind = url.partition(":")[0]  # no more of it: it may hold a password
    raise BadInput(f"unknown database {kind!r}", hint="use sqlite:///FILE or postgresql://USER@HOST/NAME")


def is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _postgres_engine(url: str, pool_size: int) -> sa.Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise BadInput(
            "the Postgres driver is not installed", where=_hide_password(url), hint=install_hint("postgres")
        ) from None
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=20,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # a server, database or role may be set to acknowledge before the disk has it; said for the session, so that
        # a later change there does not reach it
        with connection.cursor() as cursor:
            found = cursor.execute("show synchronous_commit").fetchone()[0]
            cursor.execute(f"set synchronous_commit to {found if found in _DURABLE else 'on'}")
        connection.commit()

    return engine


_DURABLE = ("on", "remote_apply")


def _refuse_damage(engine: sa.Engine) -> sa.Engine:
    found: list[str] = []

    @sa.event.listens_for(engine, "handle_error")
    def _notice(context: sa.engine.ExceptionContext) -> None:
        if text := damage(context.original_exception):
            found.append(text)

    @sa.event.listens_for(engine, "begin", insert=True)  # before BEGIN itself
    def _begin(_connection: sa.Connection) -> None:
        if found:
            raise _damaged(found[0])

    return engine


def damage(error: BaseException | None) -> str | None:
    """What a driver's error says of damaged pages; None for any other error."""
    text = f"{getattr(error, 'sqlstate', None) or ''} {error}".strip()
    return text if any(sign in text for sign in _DAMAGED) else None


def _damaged(text: str) -> Unavailable:
    return DatabaseUnavailable(
        f"the database is damaged: {text}",
        hint="stop Penstock, keep a copy of the files, and restore the newest backup: docs/how-to/back-up.md",
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """The database's own operational errors as `Unavailable`, with what to do, damaged pages too; a sum beyond 64 bits
    as `Broken`."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if text := damage(error.orig):
            raise _damaged(text) from error
        if getattr(error.orig, "sqlstate", None) == _READ_ONLY:
            raise DatabaseUnavailable(f"the database answered: {error.orig}", hint=_hint("readonly")) from error
        if not isinstance(error, sa.exc.OperationalError):
            raise
        text = str(_first(error).orig).strip()
        if text == "integer overflow":  # SQLite's word for a sum; Postgres sums without a bound
            raise Broken("a sum of amounts or units is larger than 64 bits can hold") from error
        raise DatabaseUnavailable(f"the database answered: {text}", hint=_hint(text)) from error


def _first(error: sa.exc.OperationalError) -> sa.exc.OperationalError:
    """What began it: a full disk ends the transaction, and leaving a savepoint then fails with an error of its own."""
    before = error.__context__
    while before is not None:
        if isinstance(before, sa.exc.OperationalError):
            error = before
        before = before.__context__
    return error


def _hint(text: str) -> str:
    if "locked" in text or "busy" in text:
        return (
            f"another process has been writing for over {BUSY_TIMEOUT_MS // 1000} s; "
            "end it, or move to Postgres: see [storage] in penstock.toml"
        )
    if "full" in text:
        return "free some disk space; nothing of this step was kept, so it can simply be run again"
    if "readonly" in text or "unable to open" in text:  # SQLite's words for a full disk too, where it makes its log
        return (
            "check that this user may write the database (its file and folder, or the role's settings) "
            "and that the disk has room"
        )
    if "disk I/O error" in text:
        return "the disk did not do what it should: the system's log says more; run it again once it does"
    return "check that the database runs and its address in [storage] is right"


def _hide_password(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True)
