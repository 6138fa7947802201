"""Makes a workspace of a task: around the owner's data, or as a copy of the task's example."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import penstock
from penstock import installed
from penstock.core.errors import BadInput
from penstock.pipeline.check import check_workspace
from penstock.pipeline.taking import backbone_block, settled_section, take
from penstock.task import AnyTask
from penstock.workspace.create import copy_examples, init_workspace
from penstock.workspace.loader import FILE, load
from penstock.workspace.records import Workspace

EXAMPLES = Path(penstock.__file__).parent / "examples"


ALL = "all"


def make_workspace(
    folder: Path,
    task_name: str,
    *,
    data: Path | None = None,
    test: Path | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    rare_labels: str | None = None,
    say: Callable[[str], None] = lambda note: None,
) -> Workspace:
    """A new workspace in `folder`, as loaded; of the task "all", an example of every task side by side.

    columns: the file's columns by field, where the owner names them; else they are guessed. say: is told what was taken
    for what. Raises NotFound for an unknown task, Conflict, BadInput; for data that `penstock check` would refuse too,
    and then nothing stays.
    """
    if data is None and test is not None:
        raise BadInput("a test file needs a data file", where="--test", hint="add --data FILE")
    chosen = [installed.get(one) for one in (installed.names() if task_name == ALL else [task_name])]
    if data is None and name is None:
        examples = dict.fromkeys(EXAMPLES / task.example for task in chosen if task.example)
        copy_examples(folder, list(examples))
        for task in chosen:
            task.make_data(folder)
        return load(folder)
    if task_name == ALL:
        raise BadInput("one file cannot be the data of all tasks", where="--task", hint="name one of them")
    (task,) = chosen
    if data is None:
        return init_workspace(folder, task=task.name, section=task.section, unit=task.unit, name=name)
    with tempfile.TemporaryDirectory() as scratch:
        return _around(folder, task, data, test, name, columns or {}, rare_labels, Path(scratch), say)


def _around(
    folder: Path,
    task: AnyTask,
    data: Path,
    test: Path | None,
    name: str | None,
    columns: Mapping[str, str],
    rare_labels: str | None,
    scratch: Path,
    say: Callable[[str], None],
) -> Workspace:
    """A workspace around the owner's file, checked; without a trace where the check refuses it."""
    taken = take(task.name, data, columns, scratch)
    for note in taken.notes:
        say(note)
    if taken.language:
        say(f"the texts are {taken.language}: no English backbone; n-grams, or see [backbones] in penstock.toml")
    several = task.multi_label() if taken.separator is not None and task.multi_label is not None else task
    section = settled_section(several.section, taken, rare_labels)
    before = _there(folder)
    try:
        made = init_workspace(
            folder,
            task=task.name,
            section=section,
            unit=task.unit,
            data=taken.file,
            test=test,
            name=name,
            backbones=backbone_block(taken.language) if taken.language else None,
        )
        if task.fields:
            for facts in check_workspace(made):
                for told in facts["told"]:
                    say(told)
    except BadInput as error:
        for path in sorted(_there(folder) - before, reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        raise _at_init(error) from None
    return made


def _there(folder: Path) -> set[Path]:
    """What is in the places that `init_workspace` writes to."""
    places = (folder, folder / FILE, folder / ".gitignore", folder / "data")
    inside = (folder / "data").iterdir() if (folder / "data").is_dir() else ()
    return {path for path in (*places, *inside) if path.exists()}


def _at_init(error: BadInput) -> BadInput:
    """No penstock.toml stays to be mended, so what it could say is said by an option."""
    told = str(error).replace(
        'settle it in penstock.toml: cleaning = { rare_labels = "drop" }, or "merge:other"', _RARE
    )
    told = told.replace("; every label with its rows: penstock data labels PRODUCT", "")
    return BadInput(f"{told}\n  nothing was made")


_IN_THE_FILE = 'settle it in penstock.toml: cleaning = { rare_labels = "drop" }, or "merge:other"'
_RARE = "add --rare-labels drop, or --rare-labels merge:other"
