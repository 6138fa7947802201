"""Sets test rows aside, by the hash of each text: the same rows whatever their order, and whatever joins them later."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from penstock.datasets.compare import normalise
from penstock.datasets.labels import LEAST_TRAIN_ROWS
from penstock.datasets.rows import Row


def set_aside(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, test) with about `share` of the rows in test, each part in the order given.

    A row's place is its text's hash below or above the share, so adding rows moves no other. The exception: a label
    keeps two rows in train, which is what it takes to learn it, and of three rows or more has one in test; for that its
    outermost rows may cross.
    """
    places = [(place_of(row.text, seed), normalise(row.text)) for row in rows]
    is_test = [place < share for place, _ in places]
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_label[row.label].append(index)
    for indices in by_label.values():
        aside = sum(is_test[index] for index in indices)
        most = max(len(indices) - LEAST_TRAIN_ROWS, 0)
        wanted = min(max(aside, 1), most)
        if wanted != aside:
            for place, index in enumerate(sorted(indices, key=lambda index: places[index])):
                is_test[index] = place < wanted
    train = [row for row, test in zip(rows, is_test, strict=True) if not test]
    test = [row for row, test in zip(rows, is_test, strict=True) if test]
    return train, test


def place_of(text: str, seed: int) -> float:
    """A number in [0, 1) that the text and the seed alone decide."""
    digest = hashlib.sha256(f"{seed}\n{normalise(text)}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
