"""Durable work that the office starts: begun once for the same arguments, looked at without waiting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from penstock.console.desk import Desk, Run
from penstock.core.errors import NotFound, PenstockError
from penstock.runtime.wire import error_to_json
from penstock.runtime.workflows import Handle

NAMES = ("train", "retrain", "close")


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
    return desk.workflows.start(name, arguments)  # type: ignore[no-any-return]


def running(desk: Desk) -> list[Run]:
    """This office's unfinished runs, oldest first."""
    found = [run for name in NAMES for run in desk.workflows.pending(name)]
    return sorted(found, key=lambda run: run.begun_at)


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
