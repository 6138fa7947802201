"""What a page or a verb works on: the opened workspace and its workflows. Handed to every route by the framework.

The workspace file is read again when it changed, so a page shows what the file says now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from penstock.console.trials import Trials
from penstock.core.acts import Act
from penstock.core.errors import BadInput, PenstockError
from penstock.pipeline.trying import Bench
from penstock.runtime.board import Board
from penstock.runtime.house import House
from penstock.workspace.loader import FILE, load
from penstock.workspace.records import Company, Workspace

Mark = tuple[int, int]
"""Time of change and size of the workspace file."""


class Run(Protocol):
    """One run of a workflow."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> dict[str, Any]: ...
    @property
    def begun_at(self) -> datetime: ...


class Workflows(Protocol):
    """What the office asks of the durable work: see runtime.workflows."""

    def start(self, name: str, arguments: dict[str, Any]) -> Any: ...
    def pending(self, name: str) -> Any: ...
    def ended(self, names: Sequence[str], limit: int) -> Any: ...
    def unfinished(self, id: str) -> bool: ...
    def result(self, handle: Any) -> Any: ...


@dataclass(frozen=True)
class Desk:
    """The house, the workflows of this office, and how far they are. bench, trials: models being tried,
    kept loaded, and who tries them.

    complaint: why the workspace file as it lies there now is not the one in use, if it is not. who: works at it, as
    the audit log names them.
    """

    house: House
    workflows: Workflows
    board: Board
    bench: Bench
    trials: Trials = field(default_factory=Trials)
    mark: Mark | None = None
    complaint: PenstockError | None = None
    who: str = ""

    @property
    def company(self) -> Company:
        return self.house.workspace.company


def mark_of(folder: Path) -> Mark | None:
    """The mark of the workspace file; None where there is none."""
    try:
        found = (folder / FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def reread(desk: Desk, mark: Mark | None) -> Desk:
    """The desk with the workspace as its file is now; with a complaint where that cannot be read or used."""
    try:
        found = load(desk.house.folder)
        _check_same_books(desk.house.workspace, found)
    except PenstockError as error:
        return replace(desk, mark=mark, complaint=error)
    return replace(desk, house=replace(desk.house, workspace=found), mark=mark, complaint=None)


def _check_same_books(before: Workspace, now: Workspace) -> None:
    """What an open database was opened with cannot change under it."""
    for name, was, wanted in (
        ("company.currency", before.company.currency, now.company.currency),
        ("company.timezone", before.company.timezone, now.company.timezone),
        ("storage", (before.database_url, before.blobs), (now.database_url, now.blobs)),
    ):
        if was != wanted:
            hint = "run `penstock check`, then start the office again"
            raise BadInput("this has changed while the office runs", where=f"{FILE}: {name}", hint=hint)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    mark = mark_of(desk.house.folder)
    if mark != desk.mark:
        desk = request.app.state.desk = reread(desk, mark)
    act: Act | None = getattr(request.state, "act", None)
    return replace(desk, house=desk.house.acting(act), who="" if act is None else act.who)


AtDesk = Annotated[Desk, Depends(_desk)]
