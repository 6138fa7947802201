"""Regularised linear models by scikit-learn: logistic regression for labels, ridge for numbers.

The strength is the one with the least loss on held-out rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.runtime.progress import Tell
from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.train.losses import loss_of
from penstock.tasks.tabular.train.problem import Fitted, Indices, Problem
from penstock.tasks.tabular.train.standard import Standard, standard_of

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of logistic regression, C: the inverse of the penalty
PENALTIES = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)  # of ridge, alpha


def fit(problem: Problem, tell: Tell) -> Fitted:
    """The best of the strengths on all rows, and its held-out scores."""
    standards = [(standard_of(problem.x[kept]), kept, out) for kept, out in problem.parts]
    best: tuple[float, float, Doubles] | None = None
    strengths = STRENGTHS if problem.classes else PENALTIES
    for place, strength in enumerate(strengths):
        held = np.empty((problem.rows, problem.outputs))
        for number, (standard, kept, out) in enumerate(standards):
            tell((place + number / len(standards)) / (len(strengths) + 1))
            weights, base = _weights(problem, kept, standard, strength)
            held[out] = standard.matrix(problem.x[out]) @ weights.T + base
        loss = loss_of(held, problem)
        if best is None or loss < best[0]:
            best = loss, strength, held
    assert best is not None
    tell(len(strengths) / (len(strengths) + 1))
    standard = standard_of(problem.x)
    weights, base = _weights(problem, np.arange(problem.rows), standard, best[1])
    named = f"C = {best[1]:g}" if problem.classes else f"alpha = {best[1]:g}"
    return Fitted(standard.member(weights, base), best[2], f"linear, {named}")


def _weights(problem: Problem, rows: Indices, standard: Standard, strength: float) -> tuple[Doubles, Doubles]:
    """weights (outputs, features), base (outputs,), fitted anew without features that go against their sign."""
    matrix, y = standard.matrix(problem.x[rows]), problem.y[rows]
    free = np.ones(matrix.shape[1], dtype=bool)
    while True:
        estimator = _estimator(problem, strength).fit(matrix[:, free], y)
        weights = np.zeros((problem.outputs, matrix.shape[1]))
        weights[:, free] = np.atleast_2d(estimator.coef_)
        wrong = (problem.signs != 0) & (weights[0] * problem.signs < 0)
        if not wrong.any():
            return weights, np.atleast_1d(estimator.intercept_).astype(np.float64)
        free &= ~wrong


def _estimator(problem: Problem, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    if not problem.classes:
        return Ridge(alpha=strength)
    return LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
