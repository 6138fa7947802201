"""Prediction intervals that hold their coverage: conformal on held-out residuals, as wide as a row's usual error.

CV+ without its exact bookkeeping (Barber, Candès, Ramdas, Tibshirani 2021), residuals normalised by a spread that is
itself fitted out of fold (Lei et al. 2018). The final model saw more rows than the folds' models, so intervals
err on the wide side.
"""

from __future__ import annotations

import math

import numpy as np

from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.model.tabular import Interval
from penstock.tasks.tabular.train.problem import Problem
from penstock.tasks.tabular.train.standard import standard_of

PENALTY = 100.0  # of the spread's ridge: log residuals are mostly noise
FEWEST_ROWS = 100  # below it every row gets the same width
BOUNDS = (0.02, 0.98)  # quantiles between which a row's spread is kept


def interval_of(problem: Problem, held: Doubles, share: float) -> tuple[Interval, str]:
    """The interval's rule, and how it was chosen. held: (rows, 1) held-out values."""
    residuals = np.abs(problem.y - held[:, 0])
    same = Interval(share, quantile(residuals, share), None, 0.0, 0.0)
    note = f"{share:.0%} intervals from {problem.rows:,} held-out residuals"
    if problem.rows < FEWEST_ROWS or not residuals.any():
        return same, f"{note}, of one width"
    logs = np.log(residuals + 1e-3 * residuals.mean())
    spread = np.empty(problem.rows)
    for kept, out in problem.parts:
        spread[out] = np.exp(_fit(problem.x[kept], logs[kept], problem.x[out]))
    least, most = (float(each) for each in np.quantile(spread, BOUNDS))
    spread = np.clip(spread, least, most)
    factor = quantile(residuals / spread, share)
    if _score(residuals, factor * spread, share) >= _score(residuals, np.full(problem.rows, same.factor), share):
        return same, f"{note}, of one width"
    standard = standard_of(problem.x)
    weights, base = _ridge(standard.matrix(problem.x), logs)
    member = standard.member(weights[None, :], np.array([base]))
    return Interval(share, factor, member, least, most), f"{note}, wider where the error is usually larger"


def quantile(residuals: Doubles, share: float) -> float:
    """The conformal quantile of n residuals: the ceil((n + 1) share)-th smallest, and half a standard error of that
    rank further; the largest where there is none.

    The half is for the spread, whose choice and bounds saw the same residuals: without it 90% intervals held 0.892 to
    0.898 of fresh rows, on diabetes and on made-up prices.
    """
    rows = len(residuals)
    place = min(rows, math.ceil((rows + 1) * share + 0.5 * math.sqrt(rows * share * (1 - share))))
    return float(np.sort(residuals)[place - 1])


def _score(residuals: Doubles, half: Doubles, share: float) -> float:
    """Winkler's mean score of intervals (1972): their width, and 2 / (1 - share) for what they miss by."""
    return float((2 * half + 2 / (1 - share) * np.maximum(0.0, residuals - half)).mean())


def _fit(x: Doubles, logs: Doubles, new: Doubles) -> Doubles:
    standard = standard_of(x)
    weights, base = _ridge(standard.matrix(x), logs)
    out: Doubles = standard.matrix(new) @ weights + base
    return out


def _ridge(matrix: Doubles, target: Doubles) -> tuple[Doubles, float]:
    base = float(target.mean())
    moment = matrix.T @ matrix + PENALTY * np.eye(matrix.shape[1])
    return np.asarray(np.linalg.solve(moment, matrix.T @ (target - base)), dtype=np.float64), base
