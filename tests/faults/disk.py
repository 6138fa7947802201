"""What a disk may hold after a power cut: a folder as it was, and a log of what was done to it since, up to the cut.

What was synced is there. Of all else, each write is there, absent or torn, each change of a name there or absent: a
name is safe once its own folder was synced. That is POSIX; the file systems in use keep more (docs/security.md).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from faults.shim import Record

SECTORS = (512, 4096)  # a disk writes these whole or not at all

Names = dict[str, int]
"""Path -> inode."""

_Changes = list[tuple[str, int | None]]
"""Of names: path -> inode; None: it is gone."""

_Choice = Callable[[int, random.Random], list[float]]
"""Of so many writes, how much of each is there: 1.0 all, 0.0 nothing."""

_PASSING = ("-shm",)  # SQLite's shared memory: mapped, and made anew by the first who opens the database
_FOLDER = -1  # in place of an inode


@dataclass
class _File:
    """kept: what is certainly there. later: what was done since the last sync, with its place in the log."""

    kept: bytearray
    later: list[tuple[int, Record]] = field(default_factory=list)


class Disk:
    """Follows a log record by record; `after_cut` writes one of the folders that a cut here may leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self._place = 0
        self._numbers: dict[int, int] = {}  # inode -> its present file's number here
        self._files: dict[int, _File] = {}
        self._live: Names = {}  # as the processes see it
        self._folders: set[str] = {self.folder}
        for path in sorted(Path(self.folder).rglob("*")):
            if path.is_dir():
                self._folders.add(str(path))
            elif path.is_file():
                inode = path.stat().st_ino
                self._live[str(path)] = inode
                self._files[inode] = _File(bytearray(path.read_bytes()))
        self._kept = dict(self._live)
        self._kept_folders = set(self._folders)
        self._renames: list[tuple[int, _Changes]] = []
        self._begun: dict[tuple[int, int], int] = {}  # (inode, thread) -> where the sync began

    @property
    def at_stake(self) -> int:
        """How many writes and changes of names a cut here could lose."""
        return sum(len(file.later) for file in self._files.values()) + len(self._renames)

    def follow(self, record: Record) -> None:
        self._place += 1
        if (
            record.kind == "C"
        ):  # a number that a removed file had is given again; what is left of that one keeps its own
            self._numbers[record.inode] = self._place << 64
        record = replace(record, inode=self._numbers.get(record.inode, record.inode))
        if record.kind == "C" and record.names[0].endswith(_PASSING):
            return
        kind, inode = record.kind, record.inode
        if kind in "WTF":
            if inode in self._files:
                self._files[inode].later.append((self._place, record))
        elif kind == "S":
            self._begun[inode, record.offset] = self._place
        elif kind == "Z":
            began = self._begun.pop((inode, record.offset), 0)
            if record.data:
                self._keep_names(record.names[0], began)
            elif inode in self._files:
                _keep(self._files[inode], began)
        elif kind in "CRLUMD":
            self._rename(record)

    def after_cut(self, target: Path, chance: random.Random) -> None:
        """Write one of the folders that a cut here may leave, as chance has it, into `target`, which is made."""
        some = chance.choice((_nothing, _everything, _a_beginning, _anything))
        names, folders = dict(self._kept), set(self._kept_folders)
        for changes in _those(some, [changes for _, changes in self._renames], chance):
            _apply(names, folders, changes)
        target.mkdir(mode=0o700)
        there = {self.folder}
        for path in sorted(folders - there):  # a folder whose own name is lost is lost with all that is in it
            if str(Path(path).parent) in there:
                there.add(path)
                (target / os.path.relpath(path, self.folder)).mkdir(mode=0o700)
        for path, inode in names.items():
            if str(Path(path).parent) not in there:
                continue
            content = self._content(self._files[inode], some, chance)
            (target / os.path.relpath(path, self.folder)).write_bytes(content)

    def _content(self, file: _File, some: _Choice, chance: random.Random) -> bytes | bytearray:
        if not file.later:
            return file.kept
        content, sector = bytearray(file.kept), chance.choice(SECTORS)
        picks = some(len(file.later), chance)
        for (_, record), there in zip(file.later, picks, strict=True):
            _write(content, record, there, sector, chance)
        return content

    def _rename(self, record: Record) -> None:
        names = record.names
        if record.kind == "C":
            self._files.setdefault(record.inode, _File(bytearray()))
            changes: _Changes = [(names[0], record.inode)]
        elif record.kind in "UD":
            changes = [(names[0], None)]
        elif record.kind == "M":
            changes = [(names[0], _FOLDER)]
        elif names[0] in self._folders:
            inside = names[0] + os.sep
            moved = [path for path in (*self._live, *self._folders) if (path + os.sep).startswith(inside)]
            changes = [(names[1] + path[len(names[0]) :], self._live.get(path, _FOLDER)) for path in moved]
            changes += [(path, None) for path in moved]
        else:
            inode = self._live.get(names[0])
            changes = [(names[1], inode)] if inode is not None else []
            changes += [(names[0], None)] if record.kind == "R" else []
        _apply(self._live, self._folders, changes)
        self._renames.append((self._place, changes))

    def _keep_names(self, folder: str, began: int) -> None:
        """A synced folder keeps the names in it. What moved here from elsewhere is gone there."""
        safe = [one for one in self._renames if one[0] < began and (not one[1] or _folder_of(one[1]) == folder)]
        for _, changes in safe:
            _apply(self._kept, self._kept_folders, changes)
        self._renames = [one for one in self._renames if one not in safe]


def _folder_of(changes: _Changes) -> str:
    return str(Path(changes[0][0]).parent)


def _apply(names: Names, folders: set[str], changes: _Changes) -> None:
    for path, inode in changes:
        if inode == _FOLDER:
            folders.add(path)
        elif inode is not None:
            names[path] = inode
        else:
            names.pop(path, None)
            folders.discard(path)


def _keep(file: _File, began: int) -> None:
    for place, record in file.later:
        if place < began:
            _write(file.kept, record, 1.0, 1, random.Random(0))
    file.later = [one for one in file.later if one[0] >= began]


def _write(content: bytearray, record: Record, there: float, sector: int, chance: random.Random) -> None:
    """One write as far as it is there: 1.0 whole, 0.0 absent (the file may be long enough for it), else torn."""
    start, data = record.offset, record.data
    if record.kind in "TF":
        if there == 1.0:
            if record.kind == "T":
                del content[start:]
            content.extend(bytes(max(0, start - len(content))))
        return
    end = start + len(data)
    if there == 1.0 or chance.random() < 0.5:
        content.extend(bytes(max(0, end - len(content))))
    if there == 1.0:
        content[start:end] = data
    elif there > 0.0:
        for at in range(start - start % sector, end, sector):
            low, high = max(at, start), min(at + sector, end)
            if chance.random() < there:
                content.extend(bytes(max(0, high - len(content))))
                content[low:high] = data[low - start : high - start]


def _nothing(count: int, _chance: random.Random) -> list[float]:
    return [0.0] * count


def _everything(count: int, _chance: random.Random) -> list[float]:
    return [1.0] * count


def _a_beginning(count: int, chance: random.Random) -> list[float]:
    """In the order in which they were made, up to one that is torn."""
    whole = chance.randrange(count + 1)
    return ([1.0] * whole + [chance.random()] + [0.0] * count)[:count]


def _anything(count: int, chance: random.Random) -> list[float]:
    return [chance.choice((0.0, 1.0, chance.random())) for _ in range(count)]


def _those(some: _Choice, changes: list[_Changes], chance: random.Random) -> list[_Changes]:
    """The changes of names that are there: each wholly or not at all."""
    return [one for one, there in zip(changes, some(len(changes), chance), strict=True) if there > chance.random()]
