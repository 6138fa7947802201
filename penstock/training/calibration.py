"""Temperature scaling, fitted on held-out scores: makes a score mean how often it is right.

Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks". Ranks and labels do not change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.errors import Broken
from penstock.models.protocol import Integers
from penstock.training.extras import training_libraries

LOWEST, HIGHEST = 0.02, 50.0


def fit_temperature(scores: npt.NDArray[Any], truth: Integers) -> tuple[float, float]:
    """The temperature with the least log loss, and that loss in nats.

    scores: (rows, labels), held out; truth: (rows,). Raises Broken for scores that are not finite.
    """
    with training_libraries("calibration"):
        from scipy.optimize import minimize_scalar

    if not np.isfinite(scores).all():
        raise Broken("training gave scores that are not finite", hint="look for damaged rows, or another backbone")
    exact = scores.astype(np.float64)
    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(lambda x: log_loss(exact / np.exp(x), truth), bounds=bounds, method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def log_loss(scores: npt.NDArray[Any], truth: Integers) -> float:
    """Mean negative log likelihood in nats of the true classes under softmax(scores)."""
    return float(log_losses(scores, truth).mean())


def log_losses(scores: npt.NDArray[Any], truth: Integers) -> npt.NDArray[Any]:
    """The same, row by row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    losses: npt.NDArray[Any] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]
    return losses
