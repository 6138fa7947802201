"""One process at a time: an advisory lock on a file, released by the system even when its holder is killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.errors import Conflict
from penstock.core.private import private_folder


@contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[None]:
    """Hold `path` while the block runs. purpose: what for, e.g. "training helpdesk".

    Raises Conflict at once, naming the process that holds it and what it does.
    """
    private_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            raise Conflict(
                f"cannot begin {purpose}: {holder} is at work", where=str(path), hint="wait for it to end, or stop it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} ({purpose})\n".encode(), 0)
        yield
    finally:
        os.close(handle)  # releases the lock; the file stays, since removing it would race with the next holder
