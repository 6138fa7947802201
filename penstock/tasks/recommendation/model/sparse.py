"""A sparse matrix of weights from item to item, summed for one history at a time in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.model.histories import Places


@dataclass(frozen=True, eq=False)
class Sparse:
    """Row i: the items that item i speaks for. starts: (rows + 1,); columns, values: (all,)."""

    starts: Integers
    columns: Places
    values: Floats

    @property
    def rows(self) -> int:
        return len(self.starts) - 1

    def row(self, place: int) -> tuple[Places, Floats]:
        """Columns and values of a row; none beyond the last row."""
        if place >= self.rows:
            return self.columns[:0], self.values[:0]
        part = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return self.columns[part], self.values[part]

    def filled(self) -> Integers:
        """How many values each row has (rows,)."""
        return np.diff(self.starts)

    def total(self, places: Places, weights: Floats, size: int) -> Floats:
        """The sum of rows `places` times their weights, as (size,)."""
        parts = [self.row(int(place)) for place in places]
        if not parts:
            return np.zeros(size, dtype=np.float32)
        columns = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] * weight for part, weight in zip(parts, weights, strict=True)])
        return np.bincount(columns, values, minlength=size).astype(np.float32)


def sparse_of(weights: Floats, places: Integers, size: int, most: int) -> Sparse:
    """The `most` largest of each row of dense weights (k, k), by size, over the items `places` (k,) of `size` items."""
    kept = min(most, weights.shape[1])
    order = np.argpartition(-np.abs(weights), kept - 1, axis=1)[:, :kept]
    order.sort(axis=1)
    values = np.take_along_axis(weights, order, axis=1)
    counts = np.zeros(size, dtype=np.int64)
    mask = values != 0
    counts[places] = mask.sum(axis=1)
    by_place = np.argsort(places, kind="stable")
    columns = places[order][by_place][mask[by_place]].astype(np.int32)
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Sparse(starts, columns, values[by_place][mask[by_place]].astype(np.float32))
