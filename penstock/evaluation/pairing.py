"""Two models on the same rows: exact McNemar test and the interval of the difference in accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import BadInput
from penstock.evaluation.intervals import Z95, Metric, binomial_cdf, metric


@dataclass(frozen=True)
class Paired:
    """better: rows only the new model gets right; worse: only the old one. difference: new minus old accuracy."""

    rows: int
    better: int
    worse: int
    difference: Metric
    p_value: float


def paired(new: Sequence[bool], old: Sequence[bool]) -> Paired:
    """Compare two models by which rows they got right; both (n,) in the same order."""
    if len(new) != len(old) or not new:
        raise BadInput(f"cannot pair {len(new)} rows with {len(old)}")
    ours, theirs = np.asarray(new, dtype=bool), np.asarray(old, dtype=bool)
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Paired(len(ours), better, worse, _difference(better, worse, len(ours)), mcnemar(better, worse))


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p-value that both models err equally often (McNemar 1947, binomial form)."""
    if better + worse == 0:
        return 1.0
    return min(1.0, 2 * float(binomial_cdf(better + worse, 0.5)[min(better, worse)]))


def _difference(better: int, worse: int, rows: int) -> Metric:
    """Wald interval with half a row added to each cell (Agresti and Min 2005): never of width zero."""
    padded = rows + 2
    centre = (better - worse) / padded
    half = Z95 * math.sqrt(better + worse + 1 - (better - worse) ** 2 / padded) / padded
    return metric((better - worse) / rows, max(-1.0, centre - half), min(1.0, centre + half))
