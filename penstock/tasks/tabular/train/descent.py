"""The plain linear model by gradient descent, in sight: one step a line, in numpy alone.

Squared error for numbers, log loss for labels, no regularisation: what a course teaches first, and the baseline.
"""

from __future__ import annotations

import numpy as np

from penstock.runtime.progress import Tell
from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.train.problem import Fitted, Indices, Problem
from penstock.tasks.tabular.train.standard import standard_of

STEPS = 3_000
STILL = 1e-7  # of the gradient, in units of the standardised target: then nothing more is gained


def descend(design: Doubles, target: Doubles, *, logistic: bool, steps: int = STEPS) -> tuple[Doubles, int]:
    """Weights (features, outputs) with the least loss of design @ weights against target (rows, outputs), and the
    steps taken. design: (rows, features), its first column ones.

    The step is 1 over the largest curvature of the loss, so no step overshoots; Nesterov's momentum (1983) makes
    columns that tell nearly the same no obstacle.
    """
    rows = len(design)
    curvature = np.linalg.eigvalsh(design.T @ design / rows)[-1] * (0.5 if logistic else 1.0)
    weights = ahead = np.zeros((design.shape[1], target.shape[1]))
    for step in range(1, steps + 1):
        scores = design @ ahead
        answers = _probabilities(scores) if logistic else scores
        gradient = design.T @ (answers - target) / rows
        if np.abs(gradient).max() < STILL:
            break
        moved = ahead - gradient / curvature
        if ((moved - weights) * gradient).sum() > 0:  # running uphill: start the momentum anew
            ahead = weights
            moved = weights - _gradient(design, target, weights, logistic=logistic) / curvature
        ahead = moved + (step - 1) / (step + 2) * (moved - weights)
        weights = moved
    return weights, step


def fit(problem: Problem, tell: Tell) -> Fitted:
    """The linear model of all rows, and what models of the other folds say of each row."""
    held = np.empty((problem.rows, problem.outputs))
    for number, (kept, out) in enumerate(problem.parts):
        tell(number / (len(problem.parts) + 1))
        held[out] = _predict(problem, kept, problem.x[out])
    tell(len(problem.parts) / (len(problem.parts) + 1))
    standard = standard_of(problem.x)
    weights, base, steps = _weights(problem, np.arange(problem.rows), standard.matrix(problem.x))
    return Fitted(standard.member(weights, base), held, f"gradient descent, {steps:,} steps")


def _predict(problem: Problem, kept: Indices, x: Doubles) -> Doubles:
    standard = standard_of(problem.x[kept])
    weights, base, _ = _weights(problem, kept, standard.matrix(problem.x[kept]))
    out: Doubles = standard.matrix(x) @ weights.T + base
    return out


def _weights(problem: Problem, rows: Indices, matrix: Doubles) -> tuple[Doubles, Doubles, int]:
    """weights (outputs, features) and base (outputs,) of standardised features; features against their sign are 0."""
    free = np.ones(matrix.shape[1], dtype=bool)
    target, centre, scale = _target(problem, rows)
    while True:
        design = np.column_stack([np.ones(len(matrix)), matrix[:, free]])
        found, steps = descend(design, target, logistic=problem.classes > 0)
        full = np.zeros((matrix.shape[1], target.shape[1]))
        full[free] = found[1:]
        if problem.outputs == 1 and problem.classes == 2:
            full, found = full[:, 1:] - full[:, :1], found[:, 1:] - found[:, :1]
        wrong = (problem.signs != 0) & (full[:, 0] * problem.signs < 0)
        if not wrong.any():
            return scale * full.T, centre + scale * found[0], steps
        free &= ~wrong


def _target(problem: Problem, rows: Indices) -> tuple[Doubles, float, float]:
    """What to fit (rows, columns), and how to bring it back: ones and zeros of classes, or standardised numbers."""
    y = problem.y[rows]
    if problem.classes:
        return np.asarray(y[:, None] == np.arange(problem.classes), dtype=np.float64), 0.0, 1.0
    centre, scale = float(y.mean()), float(y.std()) or 1.0
    return (y[:, None] - centre) / scale, centre, scale


def _gradient(design: Doubles, target: Doubles, weights: Doubles, *, logistic: bool) -> Doubles:
    scores = design @ weights
    answers = _probabilities(scores) if logistic else scores
    out: Doubles = design.T @ (answers - target) / len(design)
    return out


def _probabilities(scores: Doubles) -> Doubles:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    out: Doubles = raised / raised.sum(axis=1, keepdims=True)
    return out
