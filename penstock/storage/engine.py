"""Opens the database and hands out transactions. Knows SQLite and Postgres; knows no domain."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.core.ids import Ids, random_ids
from penstock.core.installing import install_hint

BUSY_TIMEOUT_MS = 10_000
OLDEST_SAFE_SQLITE = (3, 51, 3)  # 3.7.0 to 3.51.2 can corrupt a database when a WAL reset races a checkpoint


@dataclass(frozen=True)
class Transaction:
    """One unit of work: a connection inside BEGIN, for one organisation, with its clock and ids."""

    connection: sa.Connection
    organisation: str
    clock: Clock
    ids: Ids

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
        return self.connection.execute(statement, rows)

    def all(self, statement: sa.Executable) -> Sequence[sa.RowMapping]:
        return self.connection.execute(statement).mappings().all()

    def first(self, statement: sa.Executable) -> sa.RowMapping | None:
        return self.connection.execute(statement).mappings().first()

    def scalar(self, statement: sa.Executable) -> Any:
        return self.connection.execute(statement).scalar()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: an error in the block undoes the block and leaves the transaction usable."""
        with translated_errors(), self.connection.begin_nested():
            yield


@dataclass(frozen=True)
class Store:
    """A database opened for one organisation. Close it when done."""

    engine: sa.Engine
    organisation: str
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = random_ids

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A writing transaction: committed at the end of the block, rolled back on any error."""
        with translated_errors(), self.engine.begin() as connection:
            yield Transaction(connection, self.organisation, self.clock, self.ids)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent read that never waits for writers."""
        with translated_errors(), self.engine.connect() as connection:
            connection = connection.execution_options(penstock_read=True)
            with connection.begin():
                if not is_sqlite(self.engine):  # SQLite's reads are snapshots of themselves
                    connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
                yield Transaction(connection, self.organisation, self.clock, self.ids)

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
    url: str, organisation: str, *, clock: Clock | None = None, ids: Ids | None = None, pool_size: int = 5
) -> Store:
    """Open `sqlite:///path` or `postgresql://…`. The schema must be current: see migrate.upgrade."""
    engine = open_engine(url, pool_size=pool_size)
    return Store(engine, organisation, clock or SystemClock(), ids or random_ids)


def open_engine(url: str, *, pool_size: int = 5) -> sa.Engine:
    """An engine with this house's settings: durable commits and serialised writers."""
    if url.startswith("sqlite"):
        return _sqlite_engine(url, pool_size)
    if url.startswith("postgres"):
        return _postgres_engine(url, pool_size)
    kind = url.partition(":")[0]  # no more of it: it may hold a password
    raise BadInput(f"unknown database {kind!r}", hint="use sqlite:///FILE or postgresql://USER@HOST/NAME")


def is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _keep_private(file: Path) -> None:
    """Readable by its owner only, from the first byte: SQLite gives its log files the mode of the database.

    A file that is there is never opened here: closing it would drop the locks that SQLite holds in this process.
    """
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        with suppress(PermissionError):  # another user's file
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)
    except OSError:
        return  # SQLite says what is wrong with the place


def _sqlite_engine(url: str, pool_size: int) -> sa.Engine:
    from pysqlite3 import dbapi2

    path = sa.make_url(url).database
    if path and path != ":memory:" and not Path(path).parent.is_dir():
        raise BadInput("the folder of the database does not exist", where=path)
    if path and path != ":memory:":
        _keep_private(Path(path))
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="sqlite"),
        module=dbapi2,
        poolclass=sa.QueuePool,
        pool_size=pool_size,
        max_overflow=20,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # IMMEDIATE: a writer that starts by reading would fail with "locked" when it comes to write
        read = connection.get_execution_options().get("penstock_read")
        connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")

    return engine


def _postgres_engine(url: str, pool_size: int) -> sa.Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise BadInput(
            "the Postgres driver is not installed", where=_hide_password(url), hint=install_hint("postgres")
        ) from None
    return sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=20,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """The database's own operational errors as `Unavailable`, with what to do; a sum beyond 64 bits as `Broken`."""
    try:
        yield
    except sa.exc.OperationalError as error:
        text = str(_first(error).orig).strip()
        if text == "integer overflow":  # SQLite's word for a sum; Postgres sums without a bound
            raise Broken("a sum of amounts or units is larger than 64 bits can hold") from error
        raise Unavailable(f"the database answered: {text}", hint=_hint(text)) from error


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
    if "readonly" in text or "unable to open" in text:
        return "check that the database file and its folder can be written by this user"
    return "check that the database runs and its address in [storage] is right"


def _hide_password(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True)
