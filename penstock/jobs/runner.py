"""Opens the house's workflows for one executor: defines each, resumes what a killed process left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from penstock.jobs import compress, explore, train
from penstock.runtime.house import House
from penstock.runtime.progress import Progress, no_progress
from penstock.runtime.workflows import Workflows
from penstock.workspace.loader import load


@contextmanager
def open_workflows(
    house: House, *, executor: str, command: Any = None, progress: Progress = no_progress
) -> Iterator[Workflows]:
    """The house's workflows, launched. One process at a time may bear an executor's name: Conflict otherwise. command:
    what is about to be run, as JSON values; where given, a run that another command left unfinished stays as it is,
    instead of going on beside this one, taking its processor and skewing what is measured."""
    workflows = Workflows(house.workspace.state, house.database_url, executor, command=command)
    workflows.define("train", lambda arguments: train.train(_present(house), arguments, progress))
    workflows.define("explore", lambda arguments: explore.explore(_present(house), arguments, progress))
    workflows.define("compress", lambda arguments: compress.compress(_present(house), arguments, progress))
    workflows.define("retrain", lambda arguments: train.retrain(_present(house), arguments, progress))
    workflows.define("close", lambda arguments: _close(house, arguments, progress))
    with workflows:
        yield workflows


def _present(house: House) -> House:
    """The house with its workspace file as it is now: an office runs for days, and its children read the file anew."""
    return replace(house, workspace=load(house.folder))


def _close(house: House, arguments: dict[str, Any], progress: Progress) -> Any:
    from penstock.jobs import money  # a training must not wait for billing to load

    return money.close(house, arguments, progress)
