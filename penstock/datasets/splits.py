"""Sets test rows aside, by the hash of each text: the same rows whatever their order, and whatever joins them later."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from penstock.datasets.compare import normalise
from penstock.datasets.rows import Row


def set_aside(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, test) with about `share` of the rows in test, each part in the order given.

    A row's place is its text's hash below or above the share, so adding rows moves no other. The one exception:
    a label of two rows or more always has one in each part, so its outermost row may cross.
    """
    places = [(_place(row.text, seed), normalise(row.text)) for row in rows]
    is_test = [place < share for place, _ in places]
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_label[row.label].append(index)
    for indices in by_label.values():
        chosen = {is_test[index] for index in indices}
        if len(indices) > 1 and len(chosen) == 1:
            ordered = sorted(indices, key=lambda index: places[index])
            crossing = ordered[-1] if chosen == {True} else ordered[0]
            is_test[crossing] = not is_test[crossing]
    train = [row for row, test in zip(rows, is_test, strict=True) if not test]
    test = [row for row, test in zip(rows, is_test, strict=True) if test]
    return train, test


def _place(text: str, seed: int) -> float:
    """A number in [0, 1) that the text and the seed alone decide."""
    digest = hashlib.sha256(f"{seed}\n{normalise(text)}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
