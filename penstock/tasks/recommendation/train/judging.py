"""How well weights between items guess what held-out users did next: the same measure as the test's, on train alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.model.histories import recency
from penstock.tasks.recommendation.ranking import places_of, quality_of
from penstock.tasks.recommendation.train.counting import columns_of
from penstock.tasks.recommendation.train.log import Held

DECAYS = (0.6, 0.7, 0.8, 0.9, 0.97, 1.0)
POWERS = (0.5, 1.0)  # tried after 0, with the best decay


@dataclass(frozen=True)
class History:
    """How a history counts: see Recommender.decay and histories_of."""

    decay: float
    power: float


@dataclass(frozen=True)
class Judged:
    """The best way to read histories with some weights, and the nDCG@10 and hit rate it reached on held-out users."""

    history: History
    ndcg: float
    hits: float


def best_history(held: Held, learned: Integers, weights: Floats) -> Judged:
    """Of the ways to read a history, the one that guesses best. weights: (k, k) over the learned items."""
    targets = columns_of(learned, held.log.size)[held.targets]
    seen = history_rows(held, learned, History(1.0, 0.0)) > 0

    def judge(way: History) -> Judged:
        scores = history_rows(held, learned, way) @ weights
        scores[seen] = -np.inf
        return Judged(way, *quality_of(places_of(scores, targets)))

    found = [judge(History(decay, 0.0)) for decay in DECAYS]
    best = max(found, key=lambda one: one.ndcg)
    if (held.log.weights != held.log.weights[:1]).any():
        found += [judge(replace(best.history, power=power)) for power in POWERS]
    return max(found, key=lambda one: one.ndcg)


def history_rows(held: Held, learned: Integers, way: History) -> Floats:
    """Each held-out user's history as a row (n, k)."""
    columns = columns_of(learned, held.log.size)
    rows = np.zeros((len(held.users), len(learned)), dtype=np.float32)
    for row, user in enumerate(held.users.tolist()):
        own = slice(int(held.log.starts[user]), int(held.log.starts[user + 1]))
        places = columns[held.log.items[own]]
        counted = recency(held.log.times[own], way.decay) * held.log.weights[own] ** way.power
        rows[row, places[places >= 0]] = counted[places >= 0]
    return rows
