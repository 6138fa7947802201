"""Weights between items in closed form: ridge regression from a fading history to what came next.

EASE (Steck 2019, arXiv:1905.03375) regresses a user's items on the same items; here what follows is regressed on what
went before, both fading with distance, as SLIST does for sessions (Choi et al. 2021, arXiv:2103.16104). With counts
that only depend on the distance of two interactions it stays one linear system, and one of Gram size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.runtime.progress import Progress
from penstock.tasks.recommendation.train.counting import MOST_SEARCHED, learned_items, sequence_counts
from penstock.tasks.recommendation.train.judging import Judged, best_history
from penstock.tasks.recommendation.train.log import Held, Log

PENALTIES = (30.0, 100.0, 300.0)
FADES = (0.6, 0.9, 1.0)  # tried after FIRST.fade
BACKWARDS = (0.0, 1.0)  # tried after FIRST.backward


@dataclass(frozen=True)
class Settings:
    """penalty: of the ridge. fade: what a step between two interactions costs in training. backward: how much what
    came before counts beside what came after; 1 is no direction at all."""

    penalty: float = 100.0
    fade: float = 0.8
    backward: float = 0.5


@dataclass(frozen=True)
class Choice:
    """The settings that guess best for held-out users, how they were judged, and on how many items and users."""

    settings: Settings
    judged: Judged
    items: int
    users: int


def fit_weights(log: Log, learned: Integers, settings: Settings) -> Floats:
    """Weights (k, k) from row to column over the learned items; an item does not speak for itself."""
    together, follows = sequence_counts(log, learned, settings.fade)
    return solved(together, follows, settings)


def solved(together: Floats, follows: Floats, settings: Settings) -> Floats:
    """The ridge solution of counts; see counting.sequence_counts."""
    system = together.copy()
    system.flat[:: len(system) + 1] += settings.penalty
    aims = follows + settings.backward * follows.T
    weights: Floats = np.linalg.solve(system, aims).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def choose(held: Held, progress: Progress) -> Choice:
    """Settings one after the other, each the best of a few with those before it, by nDCG@10 of held-out users."""
    learned = learned_items(held.log, MOST_SEARCHED)
    steps = len(PENALTIES) + len(FADES) + len(BACKWARDS)
    tried: list[tuple[Settings, Judged]] = []

    def best() -> Settings:
        return max(tried, key=lambda one: one[1].ndcg)[0]

    def judge(settings: Settings, counts: tuple[Floats, Floats]) -> None:
        progress("train", len(tried), steps + 1, f"penalty {settings.penalty:g}, fade {settings.fade:g}")
        tried.append((settings, best_history(held, learned, solved(*counts, settings))))

    counts = sequence_counts(held.log, learned, Settings.fade)
    for penalty in PENALTIES:
        judge(Settings(penalty=penalty), counts)
    for fade in FADES:
        judge(replace(best(), fade=fade), sequence_counts(held.log, learned, fade))
    chosen = best()
    counts = counts if chosen.fade == Settings.fade else sequence_counts(held.log, learned, chosen.fade)
    for backward in BACKWARDS:
        judge(replace(chosen, backward=backward), counts)
    settings, judged = max(tried, key=lambda one: one[1].ndcg)
    return Choice(settings, judged, len(learned), len(held.users))
