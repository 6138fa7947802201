"""The shim under a process: compiled on first use, told what to record and what to fail. Linux, with a C compiler."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_HEAD = struct.Struct("=c3xIQq")
_STATE = struct.Struct("=qqiiii")
ACKNOWLEDGED = "A"
"""The one kind of record that is written from outside: what somebody was told was done."""


@dataclass(frozen=True)
class Record:
    """kind: W bytes written at `offset` of `inode`, T length set, F length at least, S a sync begins (offset: thread),
    Z it has returned, C file made, R renamed, L linked, U removed, M folder made, D folder removed, A acknowledged."""

    kind: str
    inode: int
    offset: int
    data: bytes

    @property
    def names(self) -> list[str]:
        return [os.path.normpath(os.fsdecode(name)) for name in self.data.split(b"\0") if name]


def why_not() -> str | None:
    """Why the shim cannot be used here; None: it can."""
    if sys.platform != "linux":
        return "the shim needs Linux (LD_PRELOAD)"
    return None if shutil.which("cc") else "the shim needs a C compiler (cc)"


@cache
def library() -> Path:
    """The compiled shim, kept in the temporary folder under its source's hash."""
    named = f"penstock-faults-{os.getuid()}-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}.so"
    target = Path(tempfile.gettempdir()) / named
    if not target.exists():
        made = target.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(made), str(_SOURCE), "-ldl"], check=True)
        made.replace(target)
    target.chmod(0o755)  # a database server may run as another user
    return target


class Shim:
    """One folder under observation. `record`: keep a log of its changes."""

    def __init__(self, folder: Path, place: Path, *, record: bool = False) -> None:
        self.folder = folder.resolve()
        self.log = place / "changes.log" if record else None
        self._state_path = place / "faults.state"
        for file in (self._state_path, *([self.log] if self.log else [])):
            file.write_bytes(b"")
            file.chmod(0o666)
        self._state_path.write_bytes(bytes(_STATE.size))
        with self._state_path.open("r+b") as stream:
            self._state = mmap.mmap(stream.fileno(), _STATE.size)
        self._acks = os.open(self.log, os.O_WRONLY | os.O_APPEND) if self.log else -1

    @property
    def environment(self) -> dict[str, str]:
        """To be added to the environment of a process."""
        told = {"LD_PRELOAD": str(library()), "FAULTS_FOLDER": str(self.folder), "FAULTS_STATE": str(self._state_path)}
        return {**told, "FAULTS_LOG": str(self.log)} if self.log else told

    def arm(self, fail_at: int, error: int = 0, *, lasting: bool = False, partial: bool = False) -> None:
        """From now on count the calls that can fail, and fail the one with this number. lasting: and all after it.
        partial: where it is a write, half of it is written first. A number never reached only counts."""
        self._state[:] = _STATE.pack(0, fail_at, error, lasting, partial, 0)

    @property
    def failed(self) -> int:
        """How many calls failed since it was armed."""
        return int(_STATE.unpack(self._state[:])[-1])

    def disarm(self) -> tuple[int, int]:
        """The disk is well again. Answers how many calls there were that could fail, and how many failed."""
        calls, _, _, _, _, failed = _STATE.unpack(self._state[:])
        self._state[:] = bytes(_STATE.size)
        return calls, failed

    def acknowledge(self, data: bytes) -> None:
        """Put into the log that somebody was told something: after all that had happened before."""
        os.write(self._acks, _HEAD.pack(ACKNOWLEDGED.encode(), len(data), 0, 0) + data)

    def close(self) -> None:
        self._state.close()
        if self._acks >= 0:
            os.close(self._acks)


def records(log: Path) -> Iterator[Record]:
    """The log's records in their order. A last one that is cut off is left out."""
    with log.open("rb") as stream:
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            kind, length, inode, offset = _HEAD.unpack(head)
            data = stream.read(length)
            if len(data) < length:
                return
            yield Record(kind.decode(), inode, offset, data)
