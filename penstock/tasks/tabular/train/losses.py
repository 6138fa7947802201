"""What fits are compared by: log loss of labels, mean squared error of numbers."""

from __future__ import annotations

import numpy as np

from penstock.tasks.tabular.model.encoding import Doubles
from penstock.tasks.tabular.train.problem import Problem


def loss_of(scores: Doubles, problem: Problem) -> float:
    """The mean loss of scores (rows, outputs)."""
    return float(losses_of(scores, problem).mean())


def losses_of(scores: Doubles, problem: Problem) -> Doubles:
    """The loss of each row (rows,): nats, or squared units."""
    if not problem.classes:
        return np.asarray((scores[:, 0] - problem.y) ** 2)
    if problem.outputs == 1:
        return np.asarray(np.logaddexp(0.0, scores[:, 0]) - problem.y * scores[:, 0])
    top = scores.max(axis=1)
    whole = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top
    return np.asarray(whole - scores[np.arange(len(scores)), problem.y.astype(np.int64)])
