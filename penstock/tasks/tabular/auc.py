"""How well scores rank: the area under the ROC curve, with DeLong's interval and a score a row to pair models by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Z95, Floats, Metric, metric, wilson


@dataclass(frozen=True)
class Ranked:
    """value: the AUC. rows: its jackknife pseudo-values (n,); their mean is the AUC, and their spread its error."""

    value: Metric
    rows: Floats


def auc(scores: Floats, positive: NDArray[np.bool_]) -> Ranked:
    """How often a positive row stands above another, ties half (Mann and Whitney 1947); DeLong et al. 1988.

    The interval is symmetric in log-odds, so it stays within 0 and 1. Of one class only, nothing is known.
    """
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return Ranked(Metric(0.5, 0.0, 1.0), np.full(len(scores), 0.5))
    everyone, own = _midranks(scores), np.empty(len(scores))
    own[positive], own[~positive] = _midranks(scores[positive]), _midranks(scores[~positive])
    # of a positive row: the share of negatives below it; of a negative one: the share of positives above it
    placed = np.where(positive, (everyone - own) / zeros, 1 - (everyone - own) / ones)
    value = float(placed[positive].mean())
    weight = np.where(positive, len(scores) / ones, len(scores) / zeros)
    rows = value + weight * (placed - value)
    return Ranked(_interval(value, placed, positive), rows)


def mean_auc(scores: Floats, truth: NDArray[np.int64], labels: Sequence[str]) -> Ranked:
    """Of two labels, the AUC of the second; of more, the mean of each label against the rest.

    scores: (rows, labels); truth: numbers of labels (rows,), beyond them for labels that the model does not know.
    """
    if len(labels) == 2:
        return auc(scores[:, 1], truth == 1)
    present = [number for number in range(len(labels)) if 0 < (truth == number).sum() < len(truth)]
    if not present:
        return auc(scores[:, 0], np.zeros(len(truth), dtype=bool))
    each = [auc(scores[:, number], truth == number) for number in present]
    rows = np.mean([one.rows for one in each], axis=0)
    value = float(np.mean([one.value.value for one in each]))
    half = Z95 * float(rows.std(ddof=1)) / math.sqrt(len(rows))
    least = max(one.value.high - one.value.value for one in each) / len(each)
    return Ranked(metric(value, max(0.0, value - max(half, least)), min(1.0, value + max(half, least))), rows)


def _interval(value: float, placed: Floats, positive: NDArray[np.bool_]) -> Metric:
    ones, zeros = placed[positive], placed[~positive]
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (ones, zeros) if len(part) > 1)
    # a sample without a single wrong pair, or with one row of a class, proves less than its spread says
    sure = wilson(round(value * min(len(ones), len(zeros))), min(len(ones), len(zeros)))
    if variance <= 0 or min(len(ones), len(zeros)) < 2 or not 0 < value < 1:
        return metric(value, sure.low, sure.high)
    odds = math.log(value / (1 - value))
    half = Z95 * math.sqrt(variance) / (value * (1 - value))
    return metric(value, _sigmoid(odds - half), _sigmoid(odds + half))


def _midranks(scores: Floats) -> Floats:
    """Ranks from 1; equal scores share the mean of theirs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))
