"""Fits maps from held-out scores to probabilities, and chooses among them by their loss on rows they did not see.

Never on the test. On few rows a map with more freedom must win by more than chance; on many it must not lose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.tabular.model.calibration import Calibration
from penstock.tasks.tabular.model.encoding import Doubles
from penstock.training.calibration import fit_temperature
from penstock.training.rows import folds

FOLDS = 10
ISOTONIC_ROWS = 2_000  # below it a staircase follows chance
FEWEST_IN_A_STEP = 100

Fit = Callable[[Doubles, Doubles], Calibration]


def calibrate(scores: Doubles, y: Doubles, classes: int, seed: int) -> tuple[Calibration, str]:
    """The map, and how it was chosen. scores: (rows, outputs), held out; y: class numbers (rows,)."""
    if classes > 2:
        temperature, _ = fit_temperature(scores, y.astype(np.int64))
        return Calibration("temperature", (temperature,)), f"temperature {temperature:.3g}"
    one = scores[:, 0]
    best: Fit = fit_platt
    losses, others = _held_out(fit_platt, one, y, seed), _held_out(fit_beta, one, y, seed)
    if _advantage(losses, others) > 1:
        best, losses = fit_beta, others
    # on many rows the staircase is taken unless it is worse: telco_churn's calibration error is 0.007 by it, 0.012 by
    # Platt's, and plain boosting's 0.012
    if len(y) >= ISOTONIC_ROWS and _advantage(losses, _held_out(fit_isotonic, one, y, seed)) > -1:
        best = fit_isotonic
    found = best(one, y)
    return found, f"{found.kind} calibration, chosen on held-out rows"


def _advantage(losses: Doubles, others: Doubles) -> float:
    """By how many standard errors the others' mean loss is smaller; both of the same rows."""
    gain = losses - others
    return float(gain.mean() / max(1e-300, gain.std() / np.sqrt(len(gain))))


def fit_platt(scores: Doubles, y: Doubles) -> Calibration:
    """Platt 1999, with his targets: never quite 0 or 1, so that separable rows stay finite."""
    ones = y.sum()
    target = np.where(y == 1, (ones + 1) / (ones + 2), 1 / (len(y) - ones + 2))
    slope, offset = _logistic(np.stack([scores, np.ones(len(scores))], axis=1), target, free=1)
    return Calibration("platt", (slope, offset))


def fit_beta(scores: Doubles, y: Doubles) -> Calibration:
    """Kull, Silva Filho and Flach 2017: slopes of ln p and of -ln(1 - p), never negative."""
    ones = y.sum()
    target = np.where(y == 1, (ones + 1) / (ones + 2), 1 / (len(y) - ones + 2))
    columns = [-np.logaddexp(0.0, -scores), np.logaddexp(0.0, scores), np.ones(len(scores))]
    a, b, c = _logistic(np.stack(columns, axis=1), target, free=1)
    return Calibration("beta", (a, b, c))


def fit_isotonic(scores: Doubles, y: Doubles) -> Calibration:
    """Isotonic blocks of at least 100 rows, joined by straight lines between their centres."""
    order = np.argsort(scores, kind="stable")
    blocks: list[tuple[float, float, float]] = []  # rows, sum of y, sum of scores
    for part in np.array_split(order, max(2, len(order) // FEWEST_IN_A_STEP)):
        blocks.append((float(len(part)), float(y[part].sum()), float(scores[part].sum())))
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    points = [(total / rows, (ones + 0.5) / (rows + 1)) for rows, ones, total in blocks]
    points = _widened(points, scores, blocks)
    values = np.maximum.accumulate([value for _, value in points])
    return Calibration("centred-isotonic", (), tuple((at, float(v)) for (at, _), v in zip(points, values, strict=True)))


def _widened(
    points: list[tuple[float, float]], scores: Doubles, blocks: list[tuple[float, float, float]]
) -> list[tuple[float, float]]:
    """With ends beyond the outermost centres, so that the outermost rows keep their order too."""
    low, high = float(scores.min()) - 1.0, float(scores.max()) + 1.0
    first, last = points[0][1], points[-1][1]
    return [(low, first / 2), *points, (high, 1 - (1 - last) / 2)]


def _logistic(design: Doubles, target: Doubles, *, free: int) -> tuple[float, ...]:
    """Weights (columns,) with the least log loss; all but the last `free` never negative."""
    from scipy.optimize import minimize

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = design @ weights
        loss = np.logaddexp(0.0, scores) - target * scores
        answers = 0.5 * (1 + np.tanh(scores / 2))
        return float(loss.mean()), design.T @ (answers - target) / len(target)

    count = design.shape[1]
    start = np.array([1.0] * (count - free) + [0.0] * free)
    bounds = [(0.0, 100.0)] * (count - free) + [(None, None)] * free
    found = minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return tuple(float(each) for each in found.x)


def _held_out(fit: Fit, scores: Doubles, y: Doubles, seed: int) -> Doubles:
    """The log loss of each row under the map that the other folds gave."""
    out = np.empty(len(y))
    for kept, left in folds(y.astype(np.int64), FOLDS, seed):
        found = fit(scores[kept], y[kept])
        p = np.clip([found.positive(float(score)) for score in scores[left]], 1e-6, 1 - 1e-6)
        out[left] = -np.where(y[left] == 1, np.log(p), np.log(1 - p))
    return out
