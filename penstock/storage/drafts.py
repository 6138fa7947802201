"""What is being written, beside where it will stand: locked while its writer lives, so that what a killed one left is
known, and goes with the next draft of that name or of that register. A register is a folder of notes of where drafts
lie, for those who do not know where to look."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.private import private_folder

_RANDOM = re.compile(r"\.part-[0-9a-f]{8}")


@contextmanager
def draft_of(target: Path, *, folder: bool = False, register: Path | None = None) -> Iterator[Path]:
    """An empty file (0600) or folder (0700) beside `target`; gone after the block, unless it was moved."""
    for left in [*_namesakes(target), *(() if register is None else abandoned(register))]:
        _remove(left)
    place = target.parent.absolute() / f".{target.name}.part-{secrets.token_hex(4)}"
    if folder:
        place.mkdir(mode=0o700)
    lock = os.open(place, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    note = None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = None if register is None else _note(register, place)  # once it is locked: others look there
        yield place
    finally:
        _remove(place)
        if note is not None:
            note.unlink(missing_ok=True)
        os.close(lock)


def abandoned(register: Path) -> list[Path]:
    """Drafts in the register whose writers were killed."""
    found = []
    for note in sorted(register.glob("*")):
        try:
            place = Path(note.read_text(encoding="utf-8"))
        except FileNotFoundError:  # its writer ended just now
            continue
        if not place.exists():
            note.unlink(missing_ok=True)
        elif _unlocked(place):
            found.append(place)
    return found


def _namesakes(target: Path) -> list[Path]:
    """Drafts of this target whose writers were killed."""
    start = f".{target.name}"
    return [
        one
        for one in target.parent.iterdir()
        if one.name.startswith(start) and _RANDOM.fullmatch(one.name[len(start) :]) and _unlocked(one)
    ]


def _unlocked(place: Path) -> bool:
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:  # it went meanwhile, or is another's
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _note(register: Path, place: Path) -> Path:
    note = private_folder(register) / secrets.token_hex(8)
    with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(str(place))
    return note


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
