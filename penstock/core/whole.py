"""Files that are there whole or not at all, and stay there when the power fails. Knows no contents."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from penstock.core.errors import PenstockError, Unavailable
from penstock.core.private import sync_folder

OURS, EVERYBODYS = 0o600, 0o666  # what the process' umask leaves of it
_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_whole(target: Path, content: bytes, *, mode: int = OURS, replace: bool = True) -> None:
    """Have the disk keep `content` as `target`. A file that is there is replaced and keeps its mode; with replace=False
    it stays as it is. What is no file (a terminal, a pipe) is simply written to.

    Raises Unavailable when the disk is full or fails, other OSErrors as they are: then `target` is as it was.
    """
    target = target.resolve()  # what a link leads to is replaced, not the link
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    draft = target.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
            stream.flush()
            if replace and target.exists():
                os.fchmod(stream.fileno(), target.stat().st_mode)
            os.fsync(stream.fileno())
        _put_in_place(draft, target, replace)
        sync_folder(target.parent)
    except OSError as error:
        raise disk_trouble(error, target.parent) or error from None
    finally:
        draft.unlink(missing_ok=True)


def disk_trouble(error: OSError, place: Path | str | None = None) -> PenstockError | None:
    """What to say of a disk that is full or does not do what it should; None for any other error."""
    where = str(place or error.filename or "") or None
    if error.errno in _FULL:
        return Unavailable("the disk is full", where=where, hint="free some space, then run it again")
    if error.errno == errno.EIO:
        return Unavailable(
            "the disk failed (input/output error)",
            where=where,
            hint="the system's log says more; see docs/how-to/back-up.md",
        )
    return None


def _put_in_place(draft: Path, target: Path, replace: bool) -> None:
    if replace:
        draft.replace(target)
        return
    try:
        os.link(draft, target)
    except FileExistsError:  # another process was first: its file holds
        return
