"""Labelled rows as rungs need them: checked, labels as numbers, folds that hold every class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.models.protocol import Integers

MANY_CLASSES = 1_000
"""Above it heads are fitted in closed form: one SVM a class, or a softmax over all, would take hours at 5,000."""
MOST_SCORES = 10_000_000  # rows times classes that a fit is judged by at once: 80 MB in float64


def numbered(split: Split) -> tuple[tuple[str, ...], Integers]:
    """The labels in sorted order, and per row the number (rows,) of its label.

    Raises BadInput when there is nothing to tell apart, or a class has too few rows to check itself by.
    """
    if len(split.inputs) != len(split.labels):
        raise BadInput(f"{len(split.inputs)} inputs have {len(split.labels)} labels", where="train")
    if not len(split.inputs):
        raise BadInput("there are no rows to train on", where="train")
    counts = Counter(split.labels)
    labels = tuple(sorted(counts))
    if len(labels) < 2:
        raise BadInput(
            f"all {len(split.inputs)} rows have the label {labels[0]!r}",
            where="train",
            hint="a classifier needs at least two labels; add rows of another",
        )
    single = [label for label in labels if counts[label] < 2]
    if single:
        raise BadInput(
            f"{_listed(single)} only one row to train on",
            where="train",
            hint="add rows, or drop the label: every label needs at least two",
        )
    for row, text in enumerate(split.inputs):
        if isinstance(text, str) and (not text.strip() or not _encodable(text)):
            raise BadInput("the text is empty or holds half of a surrogate pair", where=f"train row {row + 1}")
    number = {label: index for index, label in enumerate(labels)}
    return labels, np.array([number[label] for label in split.labels], dtype=np.int64)


def folds(truth: Integers, most: int, seed: int) -> list[tuple[Integers, Integers]]:
    """(rows to fit, rows held out) per fold: stratified, shuffled by the seed, every class on both sides.

    truth: (rows,) class numbers. There are as many folds as the smallest class has rows, `most` at most.
    """
    count = min(most, int(np.bincount(truth).min()))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    fold = np.empty(len(truth), dtype=np.int64)
    fold[by_class] = np.arange(len(truth)) % count  # dealt out in turn, so no fold lacks a class
    return [(np.flatnonzero(fold != held), np.flatnonzero(fold == held)) for held in range(count)]


def enough_to_judge(held: Integers, classes: int) -> Integers:
    """The held-out rows (row numbers), evenly thinned where so many rows times classes would not fit in memory."""
    most = max(1_000, MOST_SCORES // classes)
    return held if len(held) <= most else held[np.linspace(0, len(held) - 1, num=most).astype(np.int64)]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return f"the label {shown} has" if len(labels) == 1 else f"the labels {shown}{more} have"
