"""From held-out scores: what probability a score stands for, label by label, and from which one on a label is given.

Probabilities as Platt 1999, with his targets that keep a handful of rows from certainty. Thresholds for the highest
micro F1: of exact probabilities it is half that F1 for every label (Lipton, Elkan, Narayanaswamy 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.errors import Broken
from penstock.models.protocol import Floats
from penstock.tasks.text.train.multi_label.rows import Truth
from penstock.training.extras import training_libraries

Exact = npt.NDArray[np.float64]

USUAL_WEIGHT = 100
"""A label's own best threshold counts as many rows as have the label, the usual one for all labels as this many. Own
thresholds alone lose a point of micro F1 on 600 tweets, and those for each label's own F1 ten."""
_FLATTEST = 1e-3  # of a slope: a score says nothing then, and the label's share of the rows all


@dataclass(frozen=True, eq=False)
class Calibrated:
    """slopes, offsets (labels,): the logit of a score s is slope * s + offset. thresholds (labels,): probabilities.

    usual: the threshold that all of them lean to. loss: log loss of a row, summed over labels, in nats. micro_f1: on
    these rows.
    """

    slopes: Floats
    offsets: Floats
    thresholds: Floats
    usual: float
    loss: float
    micro_f1: float


def calibrate(scores: npt.NDArray[Any], truth: Truth) -> Calibrated:
    """scores, truth: (rows, labels), held out. Raises Broken for scores that are not finite."""
    if not np.isfinite(scores).all():
        raise Broken("training gave scores that are not finite", hint="look for damaged rows, or another backbone")
    exact = scores.astype(np.float64)
    found = np.array([_platt(exact[:, label], truth[:, label]) for label in range(exact.shape[1])])
    slopes, offsets = found[:, 0], found[:, 1]
    logits = exact * slopes + offsets
    probabilities = np.exp(-np.logaddexp(0.0, -logits))
    best_f1 = _best_f1(probabilities.ravel(), truth.ravel())
    own = [_best_threshold(probabilities[:, label], truth[:, label], best_f1) for label in range(exact.shape[1])]
    rows = truth.sum(axis=0)
    thresholds = (rows * np.array(own) + USUAL_WEIGHT * best_f1 / 2) / (rows + USUAL_WEIGHT)
    given = probabilities >= thresholds
    return Calibrated(
        slopes=slopes.astype(np.float32),
        offsets=offsets.astype(np.float32),
        thresholds=thresholds.astype(np.float32),
        usual=best_f1 / 2,
        loss=float((np.logaddexp(0.0, logits) - truth * logits).sum(axis=1).mean()),
        micro_f1=float(2 * (given & truth).sum() / max(1, given.sum() + truth.sum())),
    )


def _platt(scores: Exact, truth: Truth) -> tuple[float, float]:
    """(slope, offset) with the least log loss against targets a little short of certain."""
    with training_libraries("calibration"):
        from scipy.optimize import minimize

    have, lack = int(truth.sum()), int((~truth).sum())
    targets = np.where(truth, (have + 1) / (have + 2), 1 / (lack + 2))

    def loss(point: Exact) -> tuple[float, Exact]:
        logits = point[0] * scores + point[1]
        errors = np.exp(-np.logaddexp(0.0, -logits)) - targets
        value = float((np.logaddexp(0.0, logits) - targets * logits).mean())
        return value, np.array([(errors * scores).mean(), errors.mean()])

    bounds = ((_FLATTEST, None), (None, None))
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])


def _best_f1(probabilities: Exact, truth: Truth) -> float:
    """The highest F1 that one threshold for all labels reaches on these rows."""
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(truth[order])
    return float((2 * hits / (np.arange(1, len(order) + 1) + truth.sum())).max())


def _best_threshold(probabilities: Exact, truth: Truth, f1: float) -> float:
    """The probability from which on giving a label adds most to the F1 of all labels, which is about `f1`; half way to
    the next one below it. It adds while more than half of `f1` of what is given is right."""
    order = np.argsort(-probabilities, kind="stable")
    ranked = np.concatenate([[1.0], probabilities[order], [0.0]])
    gains = np.append(0.0, 2 * np.cumsum(truth[order]) - f1 * np.arange(1, len(order) + 1))
    gains[ranked[:-1] == ranked[1:]] = -np.inf  # a threshold cannot part equal probabilities
    best = int(gains.argmax())
    return float((ranked[best] + ranked[best + 1]) / 2)
