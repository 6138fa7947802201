"""Sets test rows aside, by the hash of each text: the same rows whatever their order, and whatever joins them later."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from penstock.datasets.compare import normalise
from penstock.datasets.labels import LEAST_TRAIN_ROWS, ONE, Labelling
from penstock.datasets.rows import Row


def set_aside(rows: Sequence[Row], share: float, seed: int, by: Labelling = ONE) -> tuple[list[Row], list[Row]]:
    """(train, test) with about `share` of the rows in test, each part in the order given.

    A row's place is its text's hash below or above the share, so adding rows moves no other. The exception: a label
    keeps two rows in train, which is what it takes to learn it, and of three rows or more has one in test; for that its
    outermost rows may cross. Of rows with several labels, the rarest label is seen to first, as in iterative
    stratification (Sechidis, Tsoumakas, Vlahavas 2011): no row crosses that it needs where it is.
    """
    places = [(place_of(row.text, seed), normalise(row.text)) for row in rows]
    is_test = [place < share for place, _ in places]
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        for label in by.of(row):
            by_label[label].append(index)
    aside = {label: sum(is_test[index] for index in indices) for label, indices in by_label.items()}
    settled: set[str] = set()

    def needed(index: int, step: int) -> bool:
        """Whether a label that was seen to needs the row where it is."""
        own = settled.intersection(by.of(rows[index]))
        return any(_within(aside[one] + step, len(by_label[one])) != aside[one] + step for one in own)

    def cross(index: int, step: int) -> None:
        is_test[index] = step > 0
        for one in by.of(rows[index]):
            aside[one] += step

    for label in sorted(by_label, key=lambda label: (len(by_label[label]), label)):
        wanted, later = _within(aside[label], len(by_label[label])), []
        step = 1 if wanted > aside[label] else -1
        for index in sorted(by_label[label], key=lambda index: places[index])[::step]:
            if aside[label] != wanted and is_test[index] != (step > 0):
                if needed(index, step):
                    later.append(index)
                else:
                    cross(index, step)
        for index in later[: abs(wanted - aside[label])] if step < 0 else ():  # two rows to learn from come first
            cross(index, step)
        settled.add(label)
    train = [row for row, test in zip(rows, is_test, strict=True) if not test]
    test = [row for row, test in zip(rows, is_test, strict=True) if test]
    return train, test


def _within(aside: int, rows: int) -> int:
    """Of a label with so many rows, how many may be in test, as near as can be to those that are."""
    return min(max(aside, 1), max(rows - LEAST_TRAIN_ROWS, 0))


def place_of(text: str, seed: int) -> float:
    """A number in [0, 1) that the text and the seed alone decide."""
    digest = hashlib.sha256(f"{seed}\n{normalise(text)}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
