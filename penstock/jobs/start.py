"""Makes a workspace of a task: around the owner's data, or as a copy of the task's example."""

from __future__ import annotations

from pathlib import Path

import penstock
from penstock import tasks
from penstock.core.errors import BadInput
from penstock.workspace.create import copy_example, init_workspace
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace

EXAMPLES = Path(penstock.__file__).parent / "examples"


def make_workspace(
    folder: Path, task_name: str, *, data: Path | None = None, test: Path | None = None, name: str | None = None
) -> Workspace:
    """A new workspace in `folder`, as loaded. Raises NotFound for an unknown task, Conflict, BadInput."""
    task = tasks.get(task_name)
    if data is None and test is not None:
        raise BadInput("a test file needs a data file", where="--test", hint="add --data FILE")
    if data is None and name is None and task.example:
        copy_example(folder, EXAMPLES / task.example)
        task.make_data(folder)
        return load(folder)
    return init_workspace(folder, task=task.name, section=task.section, unit=task.unit, data=data, test=test, name=name)
