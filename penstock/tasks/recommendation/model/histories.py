"""What users did, oldest first, and how much each of it counts now. It knows positions of items, not items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penstock.models.protocol import Floats, Integers

Times = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Histories:
    """users: the row of each. starts: (users + 1,) where a row's interactions begin. items, times, weights: (all,),
    each user's oldest first; an item occurs once per user. weights: around 1."""

    users: Mapping[str, int]
    starts: Integers
    items: Places
    times: Times
    weights: Floats

    def of(self, user: str | None, before: float | None = None) -> tuple[Places, Times, Floats]:
        """A user's items, times and weights up to the moment `before`; nothing for an unknown one."""
        row = None if user is None else self.users.get(user)
        if row is None:
            return self.items[:0], self.times[:0], self.weights[:0]
        start, end = int(self.starts[row]), int(self.starts[row + 1])
        if before is not None:
            end = start + int(np.searchsorted(self.times[start:end], before, side="right"))
        return self.items[start:end], self.times[start:end], self.weights[start:end]


def recency(times: Times, decay: float, newer: int = 0) -> Times:
    """decay ** age (n,), the age counted in interactions from the newest, after `newer` that are newer still.

    Interactions of one moment have no order: they share the mean of their weights.
    """
    raw = np.power(decay, np.arange(len(times) - 1, -1, -1, dtype=np.float64) + newer)
    if len(times) < 2:
        return raw
    groups = np.concatenate(([0], np.cumsum(times[1:] != times[:-1])))
    means: Times = np.bincount(groups, raw) / np.bincount(groups)
    return means[groups]
