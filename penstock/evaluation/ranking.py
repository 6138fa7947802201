"""How well ordered lists hold what was wanted: places, nDCG and hit rates, with intervals by resampling users.

It knows scores and positions only: no models, no items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Floats, Integers, Metric, bootstrap_rows, metric

FIRST = 10
"""How many places of a list count."""
NEVER = 1_000_000_000
"""The place of what cannot be listed: beyond any list, however short."""


def place_of(scores: NDArray[np.float32], target: int) -> int:
    """The place, from 0, of the target in a list by falling scores (items,); -inf marks what may not be listed, and a
    target that may not is never found. Equal scores stand in the order of the items."""
    own = scores[target]
    if not np.isfinite(own):
        return NEVER
    return int((scores > own).sum()) + int((scores[:target] == own).sum())


def ranks_of(scores: NDArray[np.float32], targets: Integers) -> Integers:
    """The places (n,) of each row's target in scores (n, items); a target of -1 is no item, and is never found."""
    return np.array(
        [place_of(row, target) if target >= 0 else NEVER for row, target in zip(scores, targets.tolist(), strict=True)],
        dtype=np.int64,
    )


def best(scores: NDArray[np.float32], count: int) -> Integers:
    """The positions of up to `count` highest finite scores, in order; equal ones in the order of the items."""
    order = np.argsort(-scores, kind="stable")[:count].astype(np.int64)
    return order[np.isfinite(scores[order])]


def gains(ranks: Integers) -> Floats:
    """nDCG@10 of each row (n,) with one right item: 1 / log2(place + 2), and 0 from the eleventh place on."""
    found: Floats = np.where(ranks < FIRST, 1.0 / np.log2(ranks + 2.0), 0.0)
    return found


def quality_of(ranks: Integers) -> tuple[float, float]:
    """(nDCG@10, HR@10); of nothing, zero."""
    return (float(gains(ranks).mean()), float((ranks < FIRST).mean())) if len(ranks) else (0.0, 0.0)


def mean_over_users(values: Floats, users: Sequence[str], seed: int) -> Metric:
    """The mean of values (n,) with a 95% interval from resampling users, whose rows stand or fall together."""
    names = {user: row for row, user in enumerate(dict.fromkeys(users))}
    owner = np.array([names[user] for user in users], dtype=np.int64)
    sums: Floats = np.bincount(owner, values).astype(np.float64)
    counts: Floats = np.bincount(owner).astype(np.float64)

    def statistic(drawn: NDArray[np.int64]) -> Floats:
        found: Floats = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        return found

    value = math.fsum(values) / len(values)
    return metric(value, *bootstrap_rows(sums, statistic, seed))
