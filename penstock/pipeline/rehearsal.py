"""A copy of a workspace with a clock of its own: to play a month ahead without touching the books."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from penstock.core.clock import Clock, SystemClock, zone_of
from penstock.core.errors import BadInput, Conflict
from penstock.runtime.house import REHEARSAL, rehearsal_clock, set_rehearsal
from penstock.storage.backup import copy_sqlite
from penstock.workspace.loader import FILE
from penstock.workspace.records import Workspace

_LEFT_OUT = ("*.sqlite*", "*.log", "*.lock", "run.json", "scratch-*", "cache", "checkpoints", REHEARSAL)


def rehearse(workspace: Workspace, folder: Path, at: str, clock: Clock | None = None) -> datetime:
    """Copy the workspace into `folder` and let the copy's clock start at `at`; if it is a copy, only set its clock.

    at: a day or a time in the company's zone. Unfinished jobs stay behind. Returns the moment in UTC. Raises BadInput
    for what is no time, or lies before the clock there, and for a workspace on Postgres; Conflict when the folder
    is not empty.
    """
    moment = _moment(at, workspace)
    now = (clock or SystemClock()).now()
    if (folder / FILE).exists() and (folder / ".penstock" / REHEARSAL).exists():
        there = rehearsal_clock(folder / ".penstock")
        if there is not None and moment - now < there.ahead:
            raise BadInput("a clock is not set back", where="--at", hint="make another copy")
    else:
        if moment < now:
            raise BadInput("the past cannot be played again", where="--at", hint="choose a time to come")
        _copy(workspace, folder)
    set_rehearsal(folder / ".penstock", moment - now)
    return moment


def _copy(workspace: Workspace, folder: Path) -> None:
    if workspace.storage.database or os.environ.get("PENSTOCK_DATABASE"):
        hint = "restore a dump of the database into another one, and name it in a copy of the file"
        raise BadInput("its database does not lie in the workspace", where="storage.database", hint=hint)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("the folder is not empty", where=str(folder), hint="choose a new one")
    if folder.resolve().is_relative_to(workspace.folder.resolve()):
        raise BadInput("the copy cannot lie inside the workspace", where=str(folder), hint="choose a folder beside it")
    if not (workspace.state / "penstock.sqlite").exists():
        raise BadInput("nothing was sold here yet", where=str(workspace.folder), hint="run `penstock apply` first")
    shutil.copytree(workspace.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".penstock", ".git"))
    target = folder / ".penstock"
    shutil.copytree(workspace.state, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    copy_sqlite(workspace.database_url, target / "penstock.sqlite")


def _moment(text: str, workspace: Workspace) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{text!r} is not a time", where="--at", hint="write it as 2026-12-01 or 2026-12-01T09:30"
        ) from None
    zone = zone_of(workspace.company.timezone)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
