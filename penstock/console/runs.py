"""Durable work that the office starts: begun once for the same arguments, looked at without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from penstock.console.desk import Desk, Run
from penstock.core.errors import NotFound, PenstockError
from penstock.runtime.board import Stage
from penstock.runtime.wire import error_to_json
from penstock.runtime.workflows import Handle

NAMES = ("train", "retrain", "close")
_LOOKED_AT = 20  # of the runs that ended last


@dataclass(frozen=True)
class Outcome:
    """Where a run is. state: 'running', 'done' with a result, or 'failed' with an error."""

    id: str
    state: str
    result: Any = None
    error: dict[str, Any] | None = None


def begin(desk: Desk, name: str, arguments: dict[str, Any]) -> Run:
    """A run of the workflow with these arguments: the unfinished one if there is one, else a new one."""
    for run in desk.workflows.pending(name):
        if run.arguments == arguments:
            return run  # type: ignore[no-any-return]
    with desk.house.store.transaction() as tx:  # before it begins: no run without its entry
        tx.note("run", {"run": name}, arguments)
    return desk.workflows.start(name, arguments)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Job:
    """An unfinished run and how far it is; stage is None where it has told nothing yet."""

    run: Run
    stage: Stage | None

    @property
    def subject(self) -> str:
        """The product or the month that it works on."""
        return str(self.run.arguments.get("product") or self.run.arguments.get("period") or "")


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error, and what is to be done."""

    run: Run
    message: str
    hint: str


def running(desk: Desk) -> list[Run]:
    """This office's unfinished runs, oldest first."""
    found = [run for name in NAMES for run in desk.workflows.pending(name)]
    return sorted(found, key=lambda run: run.begun_at)


def jobs(desk: Desk) -> list[Job]:
    """The same, each with its present stage."""
    return [Job(run, desk.board.stage(run.id)) for run in running(desk)]


def failures(desk: Desk, *, product: str | None = None) -> list[Failure]:
    """What failed and was not done since: of each kind of work and subject the newest run, if it ended with an error.

    product: only work on it; else what closes months.
    """
    names = ("train", "retrain") if product is not None else ("close",)
    newest: dict[str, Run] = {}
    for run in desk.workflows.ended(names, _LOOKED_AT):
        if product is None or run.arguments.get("product") == product:
            newest.setdefault("" if product else str(run.arguments.get("period")), run)
    found = ((run, outcome(desk, run.id)) for run in newest.values())
    return [Failure(run, one.error["message"], one.error["hint"] or "") for run, one in found if one.error is not None]


def outcome(desk: Desk, id: str) -> Outcome:
    """The state of a run. Raises NotFound."""
    if desk.workflows.unfinished(id):  # another executor's too: waiting for its result would hold the request
        return Outcome(id, "running")
    try:
        result = desk.workflows.result(Handle(id, "", {}, datetime.now(UTC)))
    except NotFound as error:
        if error.message.startswith("no run"):
            raise
        return Outcome(id, "failed", error=_told(error))
    except PenstockError as error:
        return Outcome(id, "failed", error=_told(error))
    return Outcome(id, "done", result)


def _told(error: PenstockError) -> dict[str, Any]:
    known = error_to_json(error)
    return {"kind": known["kind"], "message": known["message"], "where": known["where"], "hint": known["hint"]}
