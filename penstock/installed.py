"""The tasks that are installed, ours and those of other packages alike: each is named by an entry point of the group
`penstock.tasks`, which holds a Task or several. They are found once a process; nothing else knows a task by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, TypeVar

from penstock.core.errors import Broken, NotFound
from penstock.models import backbone
from penstock.models.protocol import Opener
from penstock.task import AnyTask, BackboneLoader, Task
from penstock.workspace.records import Product

if TYPE_CHECKING:  # a gateway knows tasks, and loads no training code
    from penstock.training.compress.records import Compression
    from penstock.training.records import Resolver, Rung

GROUP = "penstock.tasks"
OURS = "penstock"
"""The distribution whose tasks come first, in the order of its entry points' names."""


def get(name: str) -> AnyTask:
    """The task of that name. Raises NotFound, which lists the known ones."""
    found = tasks().get(name)
    if found is None:
        raise NotFound(f"unknown task {name!r}", hint=f"known tasks: {', '.join(names())}")
    return found


def of(product: Product) -> AnyTask:
    """The product's task, in the form that its options ask for. Raises NotFound."""
    task = get(product.task)
    several = task.multi_label is not None and product.options.get("multi_label") is True
    return task.multi_label() if several and task.multi_label is not None else task


def names() -> tuple[str, ...]:
    """The names of all tasks."""
    return tuple(tasks())


@cache
def tasks() -> Mapping[str, AnyTask]:
    """All tasks by name. Raises Broken where two have one name, or an entry point holds no task."""
    return _by_name(task for point in _points() for task in _loaded(point))


@cache
def kinds() -> Mapping[str, Opener]:
    """How each kind of model is opened, by its registered name."""
    return _merged("kind of model", ((task.name, task.kinds) for task in tasks().values()))


@cache
def backbones() -> Mapping[str, BackboneLoader]:
    """How each kind of backbone is loaded, by its registered name; the text encoder is everybody's."""
    own = ((task.name, task.backbones) for task in tasks().values())
    return _merged("kind of backbone", [(OURS, {backbone.KIND: backbone.load_backbone}), *own])


@cache
def rungs() -> Mapping[str, Rung]:
    """Every rung by its registered name. Imports training code, but no training library."""
    return _by_name(rung for task in tasks().values() for rung in task.training().rungs)


@cache
def resolvers() -> Mapping[str, Resolver]:
    """How a backbone of each kind that a rung may ask for is brought into the blob store."""
    return _merged("kind of backbone", ((task.name, task.training().resolvers) for task in tasks().values()))


@cache
def compressions() -> Mapping[str, Compression]:
    """What `penstock compress --by` may name, as `int8` or `int8.v1`."""
    return _by_name(each for task in tasks().values() for each in task.training().compressions)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)
V = TypeVar("V")


def _points() -> list[EntryPoint]:
    found = {(point.name, point.value): point for point in entry_points(group=GROUP)}  # an editable copy may repeat
    return sorted(found.values(), key=lambda point: (not point.value.startswith(f"{OURS}."), point.name))


def _loaded(point: EntryPoint) -> tuple[AnyTask, ...]:
    found = point.load()
    tasks = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(task, Task) for task in tasks):
        raise Broken(f"{point.value} is no Task, nor a tuple of them", where=f"entry point {point.name} of {GROUP}")
    return tasks


def _by_name(found: Iterable[N]) -> dict[str, N]:
    named: dict[str, N] = {}
    for one in found:
        if named.setdefault(one.name, one) is not one:
            raise Broken(f"two installed packages bring {one.name!r}", hint="uninstall one of them")
    return named


def _merged(what: str, found: Iterable[tuple[str, Mapping[str, V]]]) -> dict[str, V]:
    merged: dict[str, V] = {}
    for owner, some in found:
        for name, one in some.items():
            if merged.setdefault(name, one) is not one:
                raise Broken(f"{owner} brings the {what} {name!r}, which another task has", hint="uninstall one")
    return merged
