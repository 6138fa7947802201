"""Rows with any number of labels as the rungs need them: checked, labels as columns, folds that hold every label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput
from penstock.datasets.labels import LEAST_TRAIN_ROWS
from penstock.models.protocol import Integers
from penstock.tasks.text.data.label_sets import LabelledSets
from penstock.tasks.text.data.options import read_options
from penstock.training.records import TrainRequest
from penstock.training.rows import MANY_CLASSES

Truth = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SetRows:
    """labels: all of the training's, sorted. truth: (rows, labels), whether a row has a label."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    truth: Truth

    def __len__(self) -> int:
        return len(self.texts)


def set_rows(request: TrainRequest) -> SetRows:
    """The request's rows. Raises BadInput for options that are none, and for rows that cannot train."""
    read_options(request.options)
    rows: LabelledSets = request.train
    labels = tuple(sorted({label for each in rows.labels for label in each}))
    if not labels:
        raise BadInput("no row has a label", where="train", hint="is `columns` in penstock.toml right?")
    if len(labels) > MANY_CLASSES:
        hint = 'leave out the rarest: cleaning = { min_class_rows = 20, rare_labels = "drop" }'
        raise BadInput(f"{len(labels):,} labels are more than the {MANY_CLASSES:,} learned", where="train", hint=hint)
    place = {label: number for number, label in enumerate(labels)}
    truth = np.zeros((len(rows), len(labels)), dtype=np.bool_)
    for row, own in enumerate(rows.labels):
        truth[row, [place[label] for label in own]] = True
    for label, have in zip(labels, truth.sum(axis=0).tolist(), strict=True):
        if min(have, len(rows) - have) < LEAST_TRAIN_ROWS:
            told = f"{have:,} of {len(rows):,} rows have the label {label!r}"
            hint = f"a label is learned from {LEAST_TRAIN_ROWS} rows that have it and {LEAST_TRAIN_ROWS} that do not"
            raise BadInput(told, where="train", hint=f"{hint}: add rows, or leave the label out")
    return SetRows(labels, tuple(rows.texts), truth)


def check_sets(request: TrainRequest) -> None:
    """Raises what `set_rows` raises."""
    set_rows(request)


def set_folds(truth: Truth, most: int, seed: int) -> list[tuple[Integers, Integers]]:
    """(rows to fit, rows held out) per fold, shuffled by the seed, each label spread evenly over the folds.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011): the rows of the rarest label first, each to the fold
    that lacks most of it. There are as many folds as the rarest label has rows, `most` at most.
    """
    count = min(most, int(truth.sum(axis=0).min()))
    order = np.random.default_rng(seed).permutation(len(truth))
    wanted = np.repeat(truth.sum(axis=0)[None, :] / count, count, axis=0)  # rows of each label that a fold still lacks
    room = np.full(count, len(truth) / count)
    fold = np.full(len(truth), -1, dtype=np.int64)
    left = order[truth[order].any(axis=1)]
    while len(left):
        counts = truth[left].sum(axis=0)
        rarest = int(np.where(counts > 0, counts, len(truth) + 1).argmin())
        has = truth[left, rarest]
        for row in left[has].tolist():
            chosen = int(np.lexsort((-room, -wanted[:, rarest]))[0])
            fold[row] = chosen
            wanted[chosen, truth[row]] -= 1
            room[chosen] -= 1
        left = left[~has]
    for row in order[fold[order] < 0].tolist():  # without any label
        fold[row] = chosen = int(room.argmax())
        room[chosen] -= 1
    return [(np.flatnonzero(fold != held), np.flatnonzero(fold == held)) for held in range(count)]
