"""Items that say alike: each item's nearest learned items by text, through which items without a past are judged.

It knows vectors of texts, not how they were made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.model.histories import Places

MOST = 50  # of 5, 20, 50 and 100 on MovieLens: hit rate of hidden items .085, .086, .112, .106
POWER = 3  # of the similarity: the nearest count most


@dataclass(frozen=True, eq=False)
class Neighbours:
    """near: (items, m) places of learned items; shares: (items, m), each row's sum 1 (or 0: nothing alike).

    learned: (k,) places of the items with a past; vectors: (k, hidden) their unit vectors. new: (items,) which have
    no past. blend: how much a learned item listens to its neighbours; boost: how much a new one does.
    """

    near: Places
    shares: Floats
    learned: Places
    vectors: Floats
    new: np.ndarray[tuple[int], np.dtype[np.bool_]]
    blend: float
    boost: float

    def spread(self, places: Places, weights: Floats) -> tuple[Places, Floats]:
        """A history in which new items are replaced by their neighbours."""
        fresh = self.new[places]
        if not fresh.any():
            return places, weights
        near, shares = self.near[places[fresh]], self.shares[places[fresh]] * weights[fresh][:, None]
        return (
            np.concatenate((places[~fresh], near.ravel())),
            np.concatenate((weights[~fresh], shares.ravel())).astype(np.float32),
        )

    def heard(self, scores: Floats, columns: Integers | slice = slice(None)) -> Floats:
        """Scores (items,) of the past alone, with what the neighbours' scores say; of some columns, or all."""
        around = (scores[self.near[columns]] * self.shares[columns]).sum(axis=1)
        own = scores[columns] + self.blend * around
        blended: Floats = np.where(self.new[columns], self.boost * around, own).astype(np.float32)
        return blended

    def with_new(self, vectors: Floats) -> Neighbours:
        """With items of these vectors (n, hidden) added behind the others, as new ones."""
        found = [nearest(self.vectors, self.learned, vector) for vector in vectors]
        return Neighbours(
            np.concatenate((self.near, np.stack([near for near, _ in found]))),
            np.concatenate((self.shares, np.stack([shares for _, shares in found]))),
            self.learned,
            self.vectors,
            np.concatenate((self.new, np.ones(len(found), dtype=bool))),
            self.blend,
            self.boost,
        )


def nearest(vectors: Floats, learned: Places, vector: Floats, itself: int = -1) -> tuple[Places, Floats]:
    """The learned items nearest to a vector (hidden,) with their shares, in order of their places.

    itself: its own row among `vectors`, which is no neighbour.
    """
    alike = np.maximum(vectors @ vector, 0.0)
    if itself >= 0:
        alike[itself] = 0.0
    count = min(MOST, len(learned))
    rows = np.sort(np.argsort(-alike, kind="stable")[:count])
    raised = alike[rows].astype(np.float64) ** POWER
    total = raised.sum()
    shares = (raised / total if total > 0 else raised).astype(np.float32)
    return learned[rows], shares
