"""A table as its rungs need it: encoded once, targets as numbers, folds, constraints. Raises BadInput for rows that
cannot train."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import BadInput
from penstock.tasks.tabular.data.options import ClassificationOptions, RegressionOptions, TableOptions
from penstock.tasks.tabular.data.schema import TableSplit, schema_of
from penstock.tasks.tabular.model.encoding import Doubles, Encoding
from penstock.tasks.tabular.model.tabular import ESTIMATE, Decision
from penstock.training.records import TrainRequest
from penstock.training.rows import folds as stratified

FOLDS = 5
MOST_FEATURES = 5_000

Indices = NDArray[np.int64]
Parts = list[tuple[Indices, Indices]]


@dataclass(frozen=True, eq=False)
class Problem:
    """x: (rows, features), NaN where missing. y: class numbers, or values, as float64 (rows,). classes: 0 for numbers.

    labels: those of the model; of two the positive one is last. outputs: of a member: 1 for numbers and two labels.
    parts: (rows to fit, rows held out) per fold. signs: by feature +1 or -1 where the answer must rise or fall with it.
    """

    encoding: Encoding
    x: Doubles
    y: Doubles
    labels: tuple[str, ...]
    classes: int
    parts: Parts
    signs: NDArray[np.int64]
    options: TableOptions
    seed: int

    @property
    def outputs(self) -> int:
        return self.classes if self.classes > 2 else 1

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def decision(self) -> Decision | None:
        """What to decide on, for two labels."""
        if self.classes != 2 or not isinstance(self.options, ClassificationOptions):
            return None
        costs = self.options.costs
        return Decision(self.labels[1], costs.threshold, costs.false_negative, costs.false_positive)


@dataclass(frozen=True, eq=False)
class _Begun:
    """What is known of a problem before its rows are encoded; as in `Problem`."""

    options: TableOptions
    encoding: Encoding
    labels: tuple[str, ...]
    y: Doubles
    classes: int
    signs: NDArray[np.int64]


def check(request: TrainRequest) -> None:
    """Raises BadInput for what `problem_of` refuses, without encoding the rows."""
    _begun(request)


def problem_of(request: TrainRequest) -> Problem:
    """The request's rows. Labels are texts, values are numbers: so the task is known from the rows."""
    begun, split = _begun(request), request.train
    x = begun.encoding.matrix(split.inputs)
    parts = _folds(split, begun.y, begun.classes, request.seed)
    return Problem(
        begun.encoding, x, begun.y, begun.labels, begun.classes, parts, begun.signs, begun.options, request.seed
    )


def _begun(request: TrainRequest) -> _Begun:
    split: TableSplit = request.train
    if len(split) < 2:
        raise BadInput("there are too few rows to train on", where="train", hint="add rows")
    labelled = isinstance(split.targets[0], str)
    options: TableOptions = (ClassificationOptions if labelled else RegressionOptions)(**request.options)
    encoding = Encoding(schema_of(split.inputs, split.forms, options.missing_of))
    if not encoding.features:
        raise BadInput("no column says anything to predict from", where="train")
    if len(encoding.features) > MOST_FEATURES:
        message = f"the columns make {len(encoding.features):,} features; at most {MOST_FEATURES:,} are trained on"
        raise BadInput(message, where="train", hint="drop columns with many categories")
    if labelled:
        labels, y, classes = _numbered(split, options)
    else:
        labels, y, classes = ESTIMATE, np.array(split.targets, dtype=np.float64), 0
    return _Begun(options, encoding, labels, y, classes, _signs(encoding, options, classes))


def _numbered(split: TableSplit, options: TableOptions) -> tuple[tuple[str, ...], Doubles, int]:
    counts = Counter(split.labels)
    labels = sorted(counts)
    if len(labels) < 2:
        raise BadInput(f"all {len(split)} rows have the label {labels[0]!r}", where="train")
    for label in labels:
        if counts[label] < 2:
            raise BadInput(f"the label {label!r} has only one row to train on", where="train", hint="add rows")
    positive = options.positive if isinstance(options, ClassificationOptions) else None
    if positive is not None and positive not in counts:
        raise BadInput(f"positive = {positive!r} is no label of the data", where="options.positive")
    if len(labels) == 2:
        positive = positive or min(labels, key=lambda label: (counts[label], -labels.index(label)))
        labels = [label for label in labels if label != positive] + [positive]
    number = {label: float(index) for index, label in enumerate(labels)}
    return tuple(labels), np.array([number[label] for label in split.labels]), len(labels)


def _folds(split: TableSplit, y: Doubles, classes: int, seed: int) -> Parts:
    """Stratified by class, shuffled for numbers; rows of a group stay together where there are enough groups."""
    names = sorted(set(split.groups))
    generator = np.random.default_rng(seed)
    if len(names) >= FOLDS:
        place = dict(zip(names, (generator.permutation(len(names)) % FOLDS).tolist(), strict=True))
        fold = np.array([place[group] for group in split.groups])
        parts = [(np.flatnonzero(fold != held), np.flatnonzero(fold == held)) for held in range(FOLDS)]
        if not classes or all(len(np.unique(y[kept])) == classes for kept, _ in parts):
            return parts
    if classes:
        return stratified(y.astype(np.int64), FOLDS, seed)
    order = generator.permutation(len(y))
    count = min(FOLDS, len(y))
    return [(np.sort(np.setdiff1d(order, order[held::count])), np.sort(order[held::count])) for held in range(count)]


def _signs(encoding: Encoding, options: TableOptions, classes: int) -> NDArray[np.int64]:
    signs = np.zeros(len(encoding.features), dtype=np.int64)
    for name, sign in options.monotone.items():
        where = f"options.monotone.{name}"
        found = [place for place, f in enumerate(encoding.features) if f.column == name and f.what == "value"]
        if not found:
            raise BadInput("is no number among the inputs", where=where, hint="only number columns can be monotone")
        if classes > 2:
            raise BadInput("needs two labels or a number to predict: more labels have no order", where=where)
        signs[found[0]] = 1 if sign == "+" else -1
    return signs


@dataclass(frozen=True, eq=False)
class Fitted:
    """A member fitted on all rows. held: the scores (rows, outputs) of models that did not see the row."""

    member: Any
    held: Doubles
    note: str
