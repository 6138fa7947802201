"""What products do. Each task: its wire format, data columns, gate metrics and the ladder of rungs it can climb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import NotFound
from penstock.models.protocol import Floats


@dataclass(frozen=True)
class Task:
    """A task by its registered name.

    parse_inputs: the wire's inputs as texts; raises BadInput naming `inputs[3]`.
    render: labels and one row of probabilities (labels,) as the wire's output.
    """

    name: str
    unit: str
    columns: tuple[str, ...]
    ladder: tuple[str, ...]
    gate_metrics: tuple[str, ...]
    parse_inputs: Callable[[list[Any]], list[str]]
    render: Callable[[Sequence[str], Floats], dict[str, Any]]


def get(name: str) -> Task:
    """The task of that name. Raises NotFound, which lists the known ones."""
    for task in _tasks():
        if task.name == name:
            return task
    raise NotFound(f"unknown task {name!r}", hint=f"known tasks: {', '.join(names())}")


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(task.name for task in _tasks())


def _tasks() -> tuple[Task, ...]:
    from penstock.tasks.text_classification import TASK as text_classification

    return (text_classification,)
