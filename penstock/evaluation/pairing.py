"""Two models on the same rows: is the new one worse, and by how much?

Right-or-wrong answers are compared by McNemar's exact test; graded ones by flipping the signs of their differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import BadInput
from penstock.evaluation.intervals import Z95, Floats, Metric, binomial_cdf, bootstrap_rows, metric

FLIPS = 10_000
MOST_FLIPPED = 5_000  # rows: a second of flipping; the normal p-value then agrees to 0.01
_SIGNS_AT_ONCE = 500_000  # 4 MB, whatever the number of rows
_SEED = 0  # a decision must come out the same when it is checked again


@dataclass(frozen=True)
class Paired:
    """better, worse: rows on which the new model scores more, or less. difference: new minus old mean score."""

    rows: int
    better: int
    worse: int
    difference: Metric
    p_value: float


def paired(new: Sequence[float], old: Sequence[float]) -> Paired:
    """Compare two models by their scores per row, both (n,) in the same order, higher is better."""
    if len(new) != len(old) or not len(new):
        raise BadInput(f"cannot pair {len(new)} rows with {len(old)}")
    ours, theirs = np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64)
    better, worse = int((ours > theirs).sum()), int((theirs > ours).sum())
    if np.isin(ours, (0.0, 1.0)).all() and np.isin(theirs, (0.0, 1.0)).all():
        return Paired(len(ours), better, worse, _difference(better, worse, len(ours)), mcnemar(better, worse))
    differences = ours - theirs
    low, high = bootstrap_rows(differences, lambda rows: differences[rows].mean(axis=1), _SEED)
    mean = float(differences.mean())
    found = metric(mean, min(low, mean), max(high, mean))
    return Paired(len(ours), better, worse, found, sign_flips(differences))


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p-value that both models err equally often (McNemar 1947, binomial form)."""
    if better + worse == 0:
        return 1.0
    return min(1.0, 2 * float(binomial_cdf(better + worse, 0.5)[min(better, worse)]))


def sign_flips(differences: Floats) -> float:
    """Two-sided p-value that differences (n,) lie evenly around zero (Fisher 1935: a paired permutation test).

    Up to 5,000 rows by 10,000 random flips, so it is never below 1 in 10,001; beyond, by the normal distribution that
    the flipped sums approach (their variance is the sum of squares).
    """
    held = differences[differences != 0]
    if len(held) == 0:
        return 1.0
    observed = abs(held.sum())
    if len(held) > MOST_FLIPPED:
        return math.erfc(observed / math.sqrt(2 * float(np.square(held).sum())))
    random = np.random.default_rng(_SEED)
    extreme = 0
    at_once = max(1, _SIGNS_AT_ONCE // len(held))
    for start in range(0, FLIPS, at_once):
        signs = random.integers(0, 2, size=(min(at_once, FLIPS - start), len(held))) * 2 - 1
        extreme += int((np.abs(signs @ held) >= observed * (1 - 1e-12)).sum())
    return (extreme + 1) / (FLIPS + 1)


def _difference(better: int, worse: int, rows: int) -> Metric:
    """Wald interval with half a row added to each cell (Agresti and Min 2005): never of width zero."""
    padded = rows + 2
    centre = (better - worse) / padded
    half = Z95 * math.sqrt(better + worse + 1 - (better - worse) ** 2 / padded) / padded
    return metric((better - worse) / rows, max(-1.0, centre - half), min(1.0, centre + half))
