"""Who knew this also knew that: cosines between items by the users who know both, shrunk where few do."""

from __future__ import annotations

import numpy as np

from penstock.models.protocol import Floats
from penstock.tasks.recommendation.train.counting import MOST_SEARCHED, co_counts, learned_items
from penstock.tasks.recommendation.train.judging import Judged, best_history
from penstock.tasks.recommendation.train.log import Held

SHRINKS = (0.0, 10.0, 30.0, 100.0)
NEAREST = 100


def cosines(together: Floats, shrink: float) -> Floats:
    """Shrunk cosines (k, k) of co-counts (Sarwar et al. 2001; the shrinkage of Bell and Koren 2007), each item's
    nearest 100 kept."""
    known = np.sqrt(np.maximum(together.diagonal(), 1e-9))
    alike: Floats = (together / (np.outer(known, known) + np.float32(shrink))).astype(np.float32)
    np.fill_diagonal(alike, 0.0)
    if len(alike) > NEAREST:
        least = np.partition(alike, -NEAREST, axis=1)[:, -NEAREST][:, None]
        alike[alike < least] = 0.0
    return alike


def choose_shrink(held: Held) -> tuple[float, Judged]:
    """The shrinkage that guesses best for held-out users, and how histories are read with it."""
    learned = learned_items(held.log, MOST_SEARCHED)
    together = co_counts(held.log, learned)
    tried = [(shrink, best_history(held, learned, cosines(together, shrink))) for shrink in SHRINKS]
    return max(tried, key=lambda one: one[1].ndcg)
