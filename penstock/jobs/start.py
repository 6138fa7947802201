"""Makes a workspace of a task: around the owner's data, or as a copy of the task's example."""

from __future__ import annotations

from pathlib import Path

import penstock
from penstock import tasks
from penstock.core.errors import BadInput
from penstock.workspace.create import copy_examples, init_workspace
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace

EXAMPLES = Path(penstock.__file__).parent / "examples"


ALL = "all"


def make_workspace(
    folder: Path, task_name: str, *, data: Path | None = None, test: Path | None = None, name: str | None = None
) -> Workspace:
    """A new workspace in `folder`, as loaded; of the task "all", an example of every task side by side.

    Raises NotFound for an unknown task, Conflict, BadInput.
    """
    if data is None and test is not None:
        raise BadInput("a test file needs a data file", where="--test", hint="add --data FILE")
    chosen = [tasks.get(one) for one in (tasks.names() if task_name == ALL else [task_name])]
    if data is None and name is None:
        examples = dict.fromkeys(EXAMPLES / task.example for task in chosen if task.example)
        copy_examples(folder, list(examples))
        for task in chosen:
            task.make_data(folder)
        return load(folder)
    if task_name == ALL:
        raise BadInput("one file cannot be the data of all tasks", where="--task", hint="name one of them")
    (task,) = chosen
    return init_workspace(folder, task=task.name, section=task.section, unit=task.unit, data=data, test=test, name=name)
