"""Mixes members: weights that are never negative, fitted on held-out scores (stacking: Wolpert 1992, Breiman 1996).

They are drawn towards equal ones, more so on few rows, where fitted weights would mostly follow chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.train.losses import losses_of
from penstock.tasks.tabular.train.problem import Fitted, Problem

TOWARDS_EQUAL = 20.0  # rows' worth of loss that the square of a weight's distance from equal costs


def mix(problem: Problem, fitted: Sequence[Fitted]) -> tuple[Doubles, Doubles]:
    """weights (members,), and the mixed held-out scores (rows, outputs)."""
    if len(fitted) == 1:
        return np.ones(1), fitted[0].held
    held = np.stack([each.held for each in fitted])
    weights = _weights(problem, held)
    return weights, np.tensordot(weights, held, axes=1)


def _weights(problem: Problem, held: Doubles) -> Doubles:
    from scipy.optimize import minimize

    count = len(held)
    equal = np.full(count, 1 / count)
    unit = max(1e-12, float(losses_of(held.mean(axis=0), problem).mean()))

    def cost(weights: Doubles) -> float:
        loss = float(losses_of(np.tensordot(weights, held, axes=1), problem).mean()) / unit
        return loss + TOWARDS_EQUAL / problem.rows * float(((weights - equal) ** 2).sum())

    found = minimize(cost, equal, bounds=[(0.0, 2.0)] * count, method="L-BFGS-B")
    weights: Doubles = found.x if np.isfinite(found.x).all() and cost(found.x) <= cost(equal) else equal
    if weights.sum() <= 0:
        return equal
    return weights if problem.classes else weights / weights.sum()
