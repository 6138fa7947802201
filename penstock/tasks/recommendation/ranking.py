"""How well ordered lists hold what was wanted: places, nDCG and hit rates, with intervals by resampling users.

It knows scores and positions only: no models, no items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Z95, Floats, Integers, Metric, bootstrap_rows, metric

FIRST = 10
"""How many places of a list count."""
NEVER = 1_000_000_000
"""The place of what cannot be listed: beyond any list, however short."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where each row's target stands: below `above` (n,) items, and level with `tied` (n,) others, in whatever order.

    Who stands first among equals says nothing of a model, so measures take the mean over all orders of them.
    """

    above: Integers
    tied: Integers

    def __len__(self) -> int:
        return len(self.above)

    def within(self, count: int) -> Floats:
        """The chance (n,) that the target is among the first `count`."""
        found: Floats = np.clip((count - self.above) / (self.tied + 1.0), 0.0, 1.0)
        return found


def place_of(scores: NDArray[np.float32], target: int) -> tuple[int, int]:
    """How many items stand above the target in a list by falling scores (items,), and how many others level with it.

    -inf marks what may not be listed; a target that may not is never found.
    """
    own = scores[target]
    if not np.isfinite(own):
        return NEVER, 0
    return int((scores > own).sum()), int((scores == own).sum()) - 1


def places_of(scores: NDArray[np.float32], targets: Integers) -> Places:
    """The places of each row's target in scores (n, items); a target of -1 is no item, and is never found."""
    found = [place_of(row, at) if at >= 0 else (NEVER, 0) for row, at in zip(scores, targets.tolist(), strict=True)]
    above, tied = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return Places(above, tied)


def drawn(scores: NDArray[np.float32], target: int, lots: NDArray[np.float64]) -> Integers:
    """The places (draws,) of a target when equal scores (items,) stand by lots (draws, items)."""
    above, tied = place_of(scores, target)
    if not tied or above >= FIRST:
        return np.full(len(lots), above, dtype=np.int64)
    level = np.flatnonzero(scores == scores[target])
    first: Integers = (lots[:, level] < lots[:, [target]]).sum(axis=1).astype(np.int64)
    return first + above


def gains(places: Places) -> Floats:
    """nDCG@10 of each row (n,) with one right item: 1 / log2(place + 2), and 0 from the eleventh place on."""
    sums = np.concatenate(([0.0], np.cumsum(_GAINS)))
    ends = np.minimum(places.above + places.tied + 1, FIRST)
    found: Floats = (sums[ends] - sums[np.minimum(places.above, FIRST)]) / (places.tied + 1.0)
    return found


_GAINS = 1.0 / np.log2(np.arange(FIRST) + 2.0)


def quality_of(places: Places) -> tuple[float, float]:
    """(nDCG@10, HR@10); of nothing, zero."""
    return (float(gains(places).mean()), float(places.within(FIRST).mean())) if len(places) else (0.0, 0.0)


def widened(found: Metric, draws: Floats) -> Metric:
    """A metric whose interval holds what ties decide too. draws: its values under other orders of equal scores."""
    spread = Z95 * float(np.std(draws))
    low = found.value - math.hypot(found.value - found.low, spread)
    high = found.value + math.hypot(found.high - found.value, spread)
    return Metric(found.value, max(0.0, low), min(1.0, high))


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
