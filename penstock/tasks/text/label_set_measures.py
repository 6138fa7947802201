"""Measures answers of any number of labels: micro F1 first, then macro F1, exact matches, calibration, every label and
the worst errors. It sees labels, scores and what is given; it knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation import metrics
from penstock.evaluation import trivial as without
from penstock.evaluation.classification import WORST_ERRORS, check_probabilities, shortened
from penstock.evaluation.intervals import Floats, Integers, Metric, bootstrap_counts, bootstrap_rows, metric, wilson
from penstock.evaluation.measured import Classes, Measured, Trivial, WrongAnswer

QUALITY = ("micro_f1", "macro_f1", "exact_match", "ece")
TRIVIAL = ("micro_f1", "macro_f1", "exact_match")
NONE = "–"
"""Shown where a text has no label."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Judged:
    """truth, given: (rows, labels); a label that only the test knows is never given."""

    truth: Flags
    given: Flags

    @property
    def hits(self) -> Flags:
        return self.truth & self.given

    @property
    def right(self) -> Flags:
        """Rows (n,) with exactly their labels."""
        return np.asarray((self.truth == self.given).all(axis=1))


def measure_sets(
    known: Sequence[str],
    truth: Sequence[Sequence[str]],
    answers: NDArray[np.float32],
    given: Flags,
    described: Sequence[str],
    seed: int,
) -> Measured:
    """known: the model's labels. truth: the right labels a row. answers: probabilities (n, known); given: which of the
    labels it gives (n, known). described: each row's input in words.

    Labels that only the test knows can only be missed, and count so. Models are paired by what each row adds to
    micro F1. Raises Broken when answers are no probabilities.
    """
    check_probabilities(answers)
    strangers = sorted({label for own in truth for label in own} - set(known))
    labels = (*known, *strangers)
    place = {label: number for number, label in enumerate(labels)}
    right = np.zeros((len(truth), len(labels)), dtype=np.bool_)
    for row, own in enumerate(truth):
        right[row, [place[label] for label in own]] = True
    judged = _Judged(right, np.pad(given, ((0, 0), (0, len(strangers)))))
    macro = _macro_f1(judged, seed)
    calibration = _calibration(judged, answers, seed)
    return Measured(
        quality={
            "micro_f1": _micro_f1(judged, seed),
            "macro_f1": macro,
            "exact_match": metrics.accuracy(judged.right),
            "ece": calibration.ece,
        },
        scores=tuple(map(float, _shares(judged))),
        classes=Classes(
            labels=labels,
            per_class=_per_label(judged, labels),
            confusion=(),
            calibration=calibration,
            worst_errors=_worst_errors(judged, labels, answers, described),
        ),
        trivial=_trivial(judged, macro),
    )


def exactly(known: Sequence[str], truth: Sequence[Sequence[str]], given: Flags) -> Flags:
    """Whether the labels given (n, known) are all of the right ones and no others, by row (n,)."""
    names = np.array(known, dtype=object)
    pairs = zip(given, truth, strict=True)
    return np.array([set(names[flags]) == set(own) for flags, own in pairs], dtype=np.bool_)


def in_words(labels: Sequence[str]) -> str:
    """Labels as a report shows them."""
    return " | ".join(labels) or NONE


def _f1(hits: Any, sizes: Any) -> Any:
    """F1 of hits among labels that are right and labels given, `sizes` together; 0 where there are none."""
    return np.divide(2.0 * hits, sizes, out=np.zeros(np.shape(hits)), where=np.asarray(sizes) > 0)


def _sizes(judged: _Judged) -> Integers:
    """Labels right and labels given, of each row and label (n, labels)."""
    return judged.truth.astype(np.int64) + judged.given


def _micro_f1(judged: _Judged, seed: int) -> Metric:
    """F1 over all labels of all rows; percentile bootstrap over rows, on neither side shorter than Wilson's of the
    labels hit among those right or given, since a small sample may happen to lack errors."""
    hits, sizes = judged.hits.sum(axis=1), _sizes(judged).sum(axis=1)

    def statistic(rows: NDArray[Any]) -> Floats:
        found: Floats = _f1(hits[rows].sum(axis=1), sizes[rows].sum(axis=1))
        return found

    low, high = bootstrap_rows(hits.astype(np.float64), statistic, seed)
    near = wilson(int(hits.sum()), int(sizes.sum() - hits.sum()))
    value, least, most = (2 * share / (1 + share) for share in (near.value, near.low, near.high))
    return metric(value, min(low, least), max(high, most))


def _macro_f1(judged: _Judged, seed: int) -> Metric:
    """Mean F1 of the labels that occur in truth or answers, with an interval as for one label a row."""
    hits, sizes = judged.hits.astype(np.float32), _sizes(judged).astype(np.float32)

    def statistic(draws: Integers) -> Floats:
        times = draws.astype(np.float32)  # whole numbers below 2**24 are exact
        own, all_sizes = times @ hits, times @ sizes
        mean: Floats = _f1(own, all_sizes).sum(axis=1) / np.maximum((all_sizes > 0).sum(axis=1), 1)
        return mean

    rows = np.ones(len(hits), dtype=np.int64)
    value = float(statistic(rows[None, :])[0])
    low, high = bootstrap_counts(rows, statistic, seed)
    exact = metrics.accuracy(judged.right)
    return metric(
        value,
        max(0.0, min(low, value - (exact.value - exact.low))),
        min(1.0, max(high, value + (exact.high - exact.value))),
    )


def _shares(judged: _Judged) -> Floats:
    """What each row (n,) adds to micro F1: their mean is micro F1, and their spread its own, since F1 is a ratio of two
    sums (its linearisation, the infinitesimal jackknife)."""
    hits, sizes = judged.hits.sum(axis=1), _sizes(judged).sum(axis=1)
    total = max(1, int(sizes.sum()))
    f1 = 2 * int(hits.sum()) / total
    shares: Floats = f1 + len(hits) * (2 * hits - f1 * sizes) / total
    return shares


def _calibration(judged: _Judged, answers: NDArray[np.float32], seed: int) -> metrics.Calibration:
    """Of the labels given, how often one with such a score is right; where none is given, of each row's likeliest."""
    given = judged.given[:, : answers.shape[1]]
    if not given.any():
        given = answers.argmax(axis=1)[:, None] == np.arange(answers.shape[1])
    return metrics.calibration(np.minimum(answers[given], 1.0), judged.truth[:, : answers.shape[1]][given], seed)


def _per_label(judged: _Judged, labels: Sequence[str]) -> tuple[metrics.ClassMetrics, ...]:
    counts = zip(judged.truth.sum(axis=0), judged.given.sum(axis=0), judged.hits.sum(axis=0), strict=True)
    return tuple(metrics.one_class(label, *map(int, own)) for label, own in zip(labels, counts, strict=True))


def _trivial(judged: _Judged, macro_f1: Metric) -> tuple[Trivial, ...]:
    """The best that can be had by giving every row the same labels: for micro F1 so many of the commonest ones, for
    exact matches the commonest set, for macro F1 all of them."""
    truth, rows = judged.truth, len(judged.truth)
    support = truth.sum(axis=0)
    commonest = np.argsort(-support, kind="stable")
    ways = _f1(np.cumsum(support[commonest]), support.sum() + rows * np.arange(1, len(commonest) + 1))
    chosen = np.zeros(truth.shape[1], dtype=np.bool_)
    chosen[commonest[: int(ways.argmax()) + 1]] = True
    same = _Judged(truth, np.broadcast_to(chosen, truth.shape))
    sets, counts = np.unique(truth, axis=0, return_counts=True)
    usual = (truth == sets[counts.argmax()]).all(axis=1).astype(np.float64)
    occurs = (support + judged.given.sum(axis=0)) > 0
    every = float(_f1(support, support + rows)[occurs].mean()) if occurs.any() else 0.0
    return (
        without.compared("micro_f1", without.SAME_SET, _shares(judged), _shares(same), value=float(ways.max())),
        without.by_interval("macro_f1", without.EVERY_LABEL, macro_f1, every),
        without.compared(
            "exact_match", without.SAME_SET, judged.right.astype(np.float64), usual, value=float(usual.mean())
        ),
    )


def _worst_errors(
    judged: _Judged, labels: Sequence[str], answers: NDArray[np.float32], described: Sequence[str]
) -> tuple[WrongAnswer, ...]:
    """The wrong answers with the surest mistake: a label given with a high score, or missed with a low one."""
    scores = np.pad(answers.astype(np.float64), ((0, 0), (0, len(labels) - answers.shape[1])))
    mistaken = judged.truth != judged.given
    sureness = np.where(mistaken, np.where(judged.given, scores, 1 - scores), -1.0).max(axis=1)
    wrong = np.flatnonzero(mistaken.any(axis=1))
    rows = wrong[np.argsort(-sureness[wrong], kind="stable")][:WORST_ERRORS].tolist()
    names = np.array(labels, dtype=object)
    return tuple(
        WrongAnswer(
            row=row,
            text=shortened(described[row]),
            truth=in_words(names[judged.truth[row]].tolist()),
            predicted=in_words(names[judged.given[row]].tolist()),
            score=float(scores[row][judged.given[row]].max(initial=0.0)),
            truth_score=float(scores[row][judged.truth[row]].min(initial=1.0)) if judged.truth[row].any() else 0.0,
        )
        for row in rows
    )
