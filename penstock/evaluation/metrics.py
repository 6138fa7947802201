"""How right a classifier is on test rows: accuracy, macro-F1, per class, confusion, calibration.

It sees label indices and probabilities, never texts or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import (
    Floats,
    Integers,
    Metric,
    bootstrap_counts,
    bootstrap_rows,
    metric,
    wilson,
)

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class ClassMetrics:
    """One label. A precision of a label never predicted, or a recall of one without rows, is 0 within [0, 1]."""

    label: str
    support: int
    predicted: int
    precision: Metric
    recall: Metric
    f1: Metric


@dataclass(frozen=True)
class ConfusedPair:
    """`count` rows of label index `truth` were answered with label index `predicted`."""

    truth: int
    predicted: int
    count: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers whose score lies in [lower, upper): mean score, and how many of them were right."""

    lower: float
    upper: float
    rows: int
    confidence: float
    accuracy: Metric


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error and the bins it is made of (only those with rows)."""

    ece: Metric
    bins: tuple[ReliabilityBin, ...]


def accuracy(correct: NDArray[np.bool_]) -> Metric:
    """Share of right answers, Wilson interval. correct: (n,)."""
    return wilson(int(correct.sum()), len(correct))


def macro_f1(truth: Integers, predicted: Integers, seed: int) -> Metric:
    """Mean F1 of the labels that occur in truth or answers; percentile bootstrap over rows.

    truth, predicted: label indices (n,). A bootstrap cannot see errors that a small sample happens to lack (20
    faultless rows would claim certainty), so neither side of the interval is shorter than Wilson's of the accuracy.
    """
    classes = int(max(truth.max(), predicted.max())) + 1
    cells, counts = np.unique(truth * classes + predicted, return_counts=True)
    of_truth, of_predicted = cells // classes, cells % classes

    def statistic(draws: Integers) -> Floats:
        support = _sum_by(draws, of_truth, classes)
        answers = _sum_by(draws, of_predicted, classes)
        hit = of_truth == of_predicted
        hits = _sum_by(draws[:, hit], of_truth[hit], classes)
        occurs = (support + answers) > 0
        f1 = np.divide(2.0 * hits, support + answers, out=np.zeros(hits.shape), where=occurs)
        mean: Floats = f1.sum(axis=1) / occurs.sum(axis=1)
        return mean

    value = float(statistic(counts[None, :])[0])
    low, high = bootstrap_counts(counts, statistic, seed)
    rows = accuracy(truth == predicted)
    return metric(
        value,
        max(0.0, min(low, value - (rows.value - rows.low))),
        min(1.0, max(high, value + (rows.high - rows.value))),
    )


def per_class(truth: Integers, predicted: Integers, labels: Sequence[str]) -> tuple[ClassMetrics, ...]:
    """Precision, recall and F1 of every label with Wilson intervals.

    F1's interval is Wilson's of tp / (tp + fp + fn), carried over by F1 = 2j / (1 + j), which only ever rises.
    """
    classes = len(labels)
    support = np.bincount(truth, minlength=classes)
    answers = np.bincount(predicted, minlength=classes)
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    return tuple(one_class(label, int(support[i]), int(answers[i]), int(hits[i])) for i, label in enumerate(labels))


def confusion(truth: Integers, predicted: Integers) -> tuple[ConfusedPair, ...]:
    """The sparse confusion matrix: every (truth, predicted) that occurs, diagonal too, in index order."""
    pairs, counts = np.unique(np.stack([truth, predicted], axis=1), axis=0, return_counts=True)
    return tuple(ConfusedPair(int(t), int(p), int(c)) for (t, p), c in zip(pairs, counts, strict=True))


def top_confused(matrix: Sequence[ConfusedPair], most: int = 20) -> tuple[ConfusedPair, ...]:
    """The off-diagonal cells with the most rows, largest first."""
    wrong = [pair for pair in matrix if pair.truth != pair.predicted]
    return tuple(sorted(wrong, key=lambda pair: (-pair.count, pair.truth, pair.predicted))[:most])


def calibration(confidence: Floats, correct: NDArray[np.bool_], seed: int) -> Calibration:
    """Expected calibration error over 15 equal bins of the top score (Guo et al. 2017), bootstrap interval.

    confidence: the answer's score (n,) in [0, 1]; correct: (n,).
    """
    n = len(confidence)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = confidence.astype(np.float64) - correct

    def statistic(indices: NDArray[Any]) -> Floats:
        resamples = len(indices)
        cells = bins[indices] + np.arange(resamples)[:, None] * CALIBRATION_BINS
        sums = np.bincount(cells.ravel(), weights=gaps[indices].ravel(), minlength=resamples * CALIBRATION_BINS)
        error: Floats = np.abs(sums.reshape(resamples, CALIBRATION_BINS)).sum(axis=1) / n
        return error

    value = statistic(np.arange(n)[None, :])[0]
    low, high = bootstrap_rows(gaps, statistic, seed)
    filled = [_reliability_bin(i, confidence[bins == i], correct[bins == i]) for i in np.unique(bins).tolist()]
    return Calibration(metric(value, low, high), tuple(filled))


def one_class(label: str, support: int, predicted: int, hits: int) -> ClassMetrics:
    """A label's metrics from its rows, how often it was answered, and how often rightly."""
    either = wilson(hits, support + predicted - hits)
    f1 = metric(*(2 * j / (1 + j) for j in (either.value, either.low, either.high)))
    return ClassMetrics(label, support, predicted, wilson(hits, predicted), wilson(hits, support), f1)


def _reliability_bin(index: int, confidence: Floats, correct: NDArray[np.bool_]) -> ReliabilityBin:
    return ReliabilityBin(
        lower=index / CALIBRATION_BINS,
        upper=(index + 1) / CALIBRATION_BINS,
        rows=len(confidence),
        confidence=float(confidence.mean()),
        accuracy=accuracy(correct),
    )


def _sum_by(draws: Integers, groups: Integers, size: int) -> Integers:
    """Sum the columns of draws (resamples, cells) by group: (resamples, size)."""
    sums = np.zeros((len(draws), size), dtype=np.int64)
    if len(groups):
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        sums[:, present] = np.add.reduceat(draws[:, order], starts, axis=1)
    return sums
