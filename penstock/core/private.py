"""Files that are their owner's alone: made so from the first byte, and found where they are not. What a workspace keeps
are e-mail addresses, messages and key hashes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077  # what group and others may do


@contextmanager
def only_ours() -> Iterator[None]:
    """While the block runs, whatever this process and its children make is readable by its owner only."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def private_folder(folder: Path) -> Path:
    """Make the folder, and those above it that are missing, for its owner only (0700). One that is there stays. The
    disk keeps what was made."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in `folder`: a file that was synced is not found again without its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def loose(state: Path) -> list[Path]:
    """What in a state folder others on this machine may read or write, the folder itself first."""
    found = (path for path in (state, *sorted(state.rglob("*"))) if path.name != ".gitignore" and not path.is_symlink())
    return [path for path in found if _open_to_others(path)]


def tightened(state: Path) -> str:
    """The command that closes a state folder to others."""
    return f"chmod -R go-rwx {state}"


def _open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:  # it went meanwhile
        return False
