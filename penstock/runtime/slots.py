"""A name of its own for each process of a kind, kept over restarts: a slot is a file that its holder locks.

The system releases the lock when the process ends, however it ends. So whoever gets a slot knows that the process which
had its name is no more, and may take over what that one left.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.errors import Unavailable

MOST = 256


@contextmanager
def slot(folder: Path, new_name: Callable[[], str], take_over: Callable[[str], None]) -> Iterator[str]:
    """Hold the first free slot of `folder` while the block runs; gives its name. new_name: for a slot never used here.

    take_over(name): called, under the lock, for the name of each free slot, this one's own included: of processes that
    ended and may have left something.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = _first_free(folder, new_name)
    try:
        take_over(name)
        for path in sorted(folder.glob("*.slot")):
            other = _locked(path)
            if other is not None:
                try:
                    if (left := _name_in(other)) is not None:
                        take_over(left)
                finally:
                    os.close(other)
        yield name
    finally:
        os.close(handle)  # releases the lock


def _first_free(folder: Path, new_name: Callable[[], str]) -> tuple[int, str]:
    for number in range(1, MOST + 1):
        handle = _locked(folder / f"{number}.slot")
        if handle is not None:
            name = _name_in(handle)
            if name is None:
                name = new_name()
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps({"name": name, "place": _place(handle)}).encode(), 0)
            return handle, name
    raise Unavailable(f"{MOST} processes of this workspace run already", where=str(folder))


def _locked(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _name_in(handle: int) -> str | None:
    """The slot's name, if it was given to this very file: a copy of the folder must not share names with it."""
    try:
        known = json.loads(os.pread(handle, 4_096, 0))
        return str(known["name"]) if known["place"] == _place(handle) else None
    except (ValueError, KeyError, TypeError):
        return None


def _place(handle: int) -> str:
    """This machine and this file on it."""
    try:
        id = Path("/etc/machine-id").read_text().strip()
    except OSError:
        id = ""
    status = os.fstat(handle)
    return f"{socket.gethostname()} {id} {status.st_dev} {status.st_ino}"
