"""Opens the house's workflows for one executor: defines each, resumes what a killed process left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from penstock.core.acts import Act, acts_are, present_act
from penstock.pipeline.climb import explore, train
from penstock.pipeline.compress import workflow as compress
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.wire import JsonObject
from penstock.runtime.workflows import Workflows, run_id
from penstock.workspace.loader import load

_Work = Callable[[House, JsonObject, Progress], Any]


@contextmanager
def open_workflows(
    house: House, *, executor: str, command: Any = None, progress: Progress = no_progress
) -> Iterator[Workflows]:
    """The house's workflows, launched. One process at a time may bear an executor's name: Conflict otherwise. command:
    what is about to be run, as JSON values; where given, a run that another command left unfinished stays as it is,
    instead of going on beside this one, taking its processor and skewing what is measured."""
    workflows = Workflows(house.workspace.state, house.database_url, executor, command=command)
    for name, work in _WORK.items():
        workflows.define(name, partial(_run, house, name, work, progress, present_act()))
    with workflows:
        yield workflows


def _present(house: House) -> House:
    """The house with its workspace file as it is now: an office runs for days, and its children read the file anew."""
    return replace(house, workspace=load(house.folder))


def _run(house: House, name: str, work: _Work, progress: Progress, by: Act | None, arguments: JsonObject) -> Any:
    """One run. What an office's run changes is the run's act; who began it stands in the entry of its beginning."""
    act = by
    if act is None or house.store.journal is None:
        act = Act("office", "", f"run {run_id()}", name)
        house = house.acting(act)
    with acts_are(lambda: act):  # a run has a thread of its own, which does not know who acts
        return work(_present(house), arguments, progress)


def _close(house: House, arguments: JsonObject, progress: Progress) -> Any:
    from penstock.pipeline import money  # a training must not wait for billing to load

    return money.close(house, arguments, progress)


# by the names that databases know them by
_WORK: Mapping[str, _Work] = {
    "train": train.train,
    "explore": explore.explore,
    "compress": compress.compress,
    "retrain": train.retrain,
    "close": _close,
}
