"""SQLite's engine: durable commits, serialised writers, private files, and a look at each transaction whether the
files that are open are still the ones that bear the database's name. Knows no tables."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from penstock.core.errors import BadInput, Unavailable

BUSY_TIMEOUT_MS = 10_000
OLDEST_SAFE_SQLITE = (3, 51, 3)  # 3.7.0 to 3.51.2 can corrupt a database when a WAL reset races a checkpoint

Identity = tuple[int, int]
"""(device, inode): which file it is, whatever its name."""


def sqlite_engine(url: str, pool_size: int, *, create: bool) -> sa.Engine:
    """An engine on a SQLite file. create: make the file if it is absent; never once it was open.

    Its connections raise Unavailable, at the beginning of a transaction and before its COMMIT, when the file was
    renamed, replaced or removed: what is written then would not be in the database that others open.
    """
    from pysqlite3 import dbapi2

    path = sa.make_url(url).database
    files = None if path in (None, "", ":memory:") else Files(Path(str(path)).absolute())
    if files is not None and not files.database.parent.is_dir():
        raise BadInput("the folder of the database does not exist", where=path)
    if files is not None and (create or files.database.exists()):
        keep_private(files.database)

    def connect() -> Any:
        options: dict[str, Any] = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
        if files is None:
            return dbapi2.connect(":memory:", **options)
        mode = "rwc" if create and not files.known else "rw"
        if mode == "rw" and not files.database.exists():
            if files.known:
                raise _misplaced("the database file was renamed or removed", files.database)
            raise Unavailable("the database file is not there", where=str(files.database), hint="see penstock doctor")
        return dbapi2.connect(f"file:{quote(str(files.database))}?mode={mode}", uri=True, **options)

    engine = sa.create_engine(
        "sqlite://", module=dbapi2, creator=connect, poolclass=sa.QueuePool, pool_size=pool_size, max_overflow=20
    )
    engine.url = sa.make_url(url)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if files is not None:
            record.info["files"] = files.opened()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if files is not None:
            files.check(connection.info["files"])
        # IMMEDIATE: a writer that starts by reading would fail with "locked" when it comes to write
        read = connection.get_execution_options().get("penstock_read")
        connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")

    @sa.event.listens_for(engine, "commit")
    def _commit(connection: sa.Connection) -> None:
        if files is not None:
            files.check(connection.info["files"])

    return engine


class Files:
    """A database's file and its log as this process opened them first; a connection holds on to what it opened."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._log = database.with_name(f"{database.name}-wal")
        self._first: Identity | None = None

    @property
    def known(self) -> bool:
        """Whether the database was open before."""
        return self._first is not None

    def opened(self) -> tuple[Identity, Identity | None]:
        """What a new connection has open. Raises Unavailable when it is another database than the first one's."""
        database = identity(self.database)
        if database is None:
            raise _misplaced("the database file was renamed or removed", self.database)
        if self._first is None:
            self._first = database
        self.check((database, None))
        return database, identity(self._log)

    def check(self, opened: tuple[Identity, Identity | None]) -> None:
        """Two looks at the file system, some microseconds. Raises Unavailable when the names lead elsewhere."""
        database, log = opened
        present = identity(self.database)
        if present is None:
            raise _misplaced("the database file was renamed or removed", self.database)
        if present not in (database, self._first) or database != self._first:
            raise _misplaced("the database file was replaced by another", self.database)
        if log is not None and identity(self._log) != log:
            raise _misplaced("the database's log was removed or replaced", self._log)


def identity(file: Path) -> Identity | None:
    """Which file bears this name; None: there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def keep_private(file: Path) -> None:
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


def _misplaced(message: str, file: Path) -> Unavailable:
    return Unavailable(
        f"{message} while Penstock runs on it: nothing is written until it is back",
        where=str(file),
        hint="put the file back; to use another one, stop Penstock, put it in place and start again",
    )
