"""Targets of tables: read as labels or numbers, counted, and refused where nothing can be learned from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.cells import cell_of
from penstock.datasets.numbers import PLAIN, form_from, number_of
from penstock.datasets.report import MAX_EXAMPLES, ClassCount, Example, Finding, shortened
from penstock.tasks.tabular.data.columns import category_of
from penstock.tasks.tabular.data.options import ClassificationOptions, TableOptions
from penstock.tasks.tabular.data.reading import looks_missing

Row = dict[str, Any]
SMALL_CLASS_ROWS = 5
MOST_LABELS = 100


def target_of(
    value: Any, where: str, *, label: bool, absent: Collection[str] = (), form: str = ""
) -> str | float | None:
    """A cell of the target's column: a label as text, or a finite number; None where it is missing: an empty cell, or
    one of `absent`. form: how its numbers are written, "" plainly."""
    cell = cell_of(value, where, absent)
    if cell is None:
        return None
    if label:
        text = category_of(cell)
        if len(text) > 200:
            raise BadInput("the label is longer than 200 characters", where=where, hint="is target the right column?")
        return text
    number = cell if isinstance(cell, float) else number_of(cell, form_from(form) if form else PLAIN)
    if number is None:
        hint = "tabular-regression predicts numbers; for labels the task is tabular-classification"
        if looks_missing(str(cell)):
            hint = f'if it stands for no value: missing = ["{cell}"]'
        raise BadInput(f"the target {str(cell)[:60]!r} is no number", where=where, hint=hint)
    if not math.isfinite(number):
        raise BadInput("the target is not a finite number", where=where, hint="correct it, or delete the row")
    return number


def check_targets(train: Sequence[Row], test: Sequence[Row], options: TableOptions, *, labels: bool, file: str) -> None:
    """There is something to tell apart, something to learn it from, and something to test it with."""
    if len(train) < 2 or not test:
        what = "training" if len(train) < 2 else "test"
        raise BadInput(f"too few {what} rows are left after cleaning", where=file, hint="add rows")
    targets = Counter(row["target"] for row in train)
    if not labels:
        if len(targets) == 1:
            raise BadInput("all targets are the same number", where=f"{file}: {options.target}")
        return
    if len(targets) == 1:
        (only,) = targets
        hint = "a classifier needs rows of at least two labels; is target the right column?"
        raise BadInput(f"all rows have the label {only!r}", where=train[0]["origin"], hint=hint)
    if len(targets) > MOST_LABELS:
        hint = "for numbers the task is tabular-regression; is target the right column?"
        raise BadInput(f"the target has {len(targets):,} different labels", where=file, hint=hint)
    positive = options.positive if isinstance(options, ClassificationOptions) else None
    if positive is not None and positive not in targets:
        hint = f"the labels are: {', '.join(map(repr, sorted(targets)[:20]))}"
        raise BadInput(f"positive = {positive!r} is no label of the data", where=file, hint=hint)


def class_counts(train: Sequence[Row], test: Sequence[Row], log: list[Finding]) -> tuple[ClassCount, ...]:
    ours, theirs = Counter(row["target"] for row in train), Counter(row["target"] for row in test)
    unseen = [row for row in test if not ours[row["target"]]]
    small = [label for label in sorted(ours) if ours[label] < SMALL_CLASS_ROWS]
    if unseen:
        action = "kept: they can only be answered wrongly"
        log.append(Finding("unseen-label", "test", len(unseen), 0, action, tuple(map(example, unseen[:MAX_EXAMPLES]))))
    if small:
        examples = tuple(example(next(row for row in train if row["target"] == label)) for label in small)
        log.append(Finding("small-class", "train", len(small), 0, "kept: more rows would help most here", examples))
    return tuple(ClassCount(label, ours[label], theirs[label]) for label in sorted(ours))


def example(row: Row) -> Example:
    return Example(row["origin"], shortened(described(row["values"])), str(row["target"]))


def described(cells: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in cells.items()
    )
