"""Measures answers found among entries: is the right one first, and is "don't know" said where it should be?

It sees scores, ids and a threshold; it knows no model and no entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import BadInput
from penstock.evaluation import trivial as without
from penstock.evaluation.intervals import Floats, Integers, Metric, bootstrap_rows, metric, wilson
from penstock.evaluation.measured import Measured, Section
from penstock.evaluation.thresholds import OTHERS, trade

QUALITY = ("top1", "mrr", "coverage", "precision", "out_of_scope_recall", "f1")
"""top1, mrr: of questions that an entry answers, without any threshold. coverage: share of all questions answered at
the threshold; precision: how many of those rightly. out_of_scope_recall: share of the questions that no entry answers
which are handed over; only where the test has such. f1: mean over the entries asked for and, where the test has them,
the questions out of scope as one class more, at the threshold."""

TRIVIAL = ("top1",)
ANSWERS_NOTHING = (
    "Answers nothing: the target precision is not reached on held-out questions; give more paraphrases or lower "
    "target_precision."
)
WORST = 20
_CHARS = 200


@dataclass(frozen=True)
class _Judged:
    """Per row (n,): truth (-1: out of scope), the best entry, its score, whether it is answered, whether rightly."""

    truth: Integers
    best: Integers
    top: Floats
    answered: NDArray[np.bool_]
    right: NDArray[np.bool_]


def measure_answers(
    *,
    labels: Sequence[str],
    truth: Sequence[str | None],
    questions: Sequence[str],
    scores: NDArray[np.float32],
    threshold: float,
    seed: int,
) -> Measured:
    """labels: the model's entries. truth: the right entry of each question, None where none is. scores: (n, labels).

    An entry that the model does not know cannot be found, and counts as missed. Models are paired by whether the right
    entry comes first, over the questions that have one. Raises BadInput without such a question.
    """
    place = {label: index for index, label in enumerate(labels)}
    known = {name for name in truth if name is not None}
    strangers = {name: len(labels) + index for index, name in enumerate(sorted(known - set(labels)))}
    right = np.array([-1 if name is None else {**place, **strangers}[name] for name in truth], dtype=np.int64)
    inside = right >= 0
    if not inside.any():
        raise BadInput("no test question has an entry", hint="give test questions that entries answer")
    judged = _judge(right, scores, threshold)
    first = judged.right[inside]
    same = right[inside] == np.bincount(right[inside]).argmax()
    quality = {
        "top1": wilson(int(first.sum()), len(first)),
        "mrr": _mean(_reciprocal_ranks(right[inside], scores[inside]), seed),
        "coverage": wilson(int(judged.answered.sum()), len(right)),
        "precision": wilson(int((judged.right & judged.answered).sum()), int(judged.answered.sum())),
    }
    if not inside.all():
        quality["out_of_scope_recall"] = wilson(int((~judged.answered[~inside]).sum()), int((~inside).sum()))
    quality["f1"] = _macro_f1(judged, seed)
    names = (*labels, *sorted(strangers))
    return Measured(
        quality=quality,
        scores=tuple(first.astype(float).tolist()),
        sections=(
            trade(judged.top, judged.right, threshold, note=ANSWERS_NOTHING if threshold > 1 else OTHERS),
            _worst(judged, names, questions),
        ),
        trivial=(
            without.compared(
                "top1", without.SAME_ENTRY, first.astype(float), same.astype(float), value=float(same.mean())
            ),
        ),
    )


def _judge(truth: Integers, scores: NDArray[np.float32], threshold: float) -> _Judged:
    if not scores.shape[1]:
        nobody = np.zeros(len(truth), dtype=bool)
        return _Judged(truth, np.full(len(truth), -2), np.zeros(len(truth)), nobody, nobody)
    best, top = scores.argmax(axis=1).astype(np.int64), scores.max(axis=1).astype(np.float64)
    return _Judged(truth, best, top, (top >= threshold) & (top > 0), (best == truth) & (top > 0))


def _reciprocal_ranks(truth: Integers, scores: NDArray[np.float32]) -> Floats:
    """One over the place of the right entry; of equal scores, the mean place; 0 for one that scores nothing."""
    found = np.zeros(len(truth))
    for row, entry in enumerate(truth.tolist()):
        if entry < scores.shape[1] and scores[row, entry] > 0:
            own = scores[row, entry]
            found[row] = 1 / (1 + (scores[row] > own).sum() + ((scores[row] == own).sum() - 1) / 2)
    return found


def _mean(values: Floats, seed: int) -> Metric:
    """The mean with a bootstrap interval, no shorter on either side than Wilson's of as many hits."""
    low, high = bootstrap_rows(values, lambda rows: values[rows].mean(axis=1), seed)
    mean, near = float(values.mean()), wilson(round(float(values.sum())), len(values))
    return metric(
        mean, max(0.0, min(low, mean - near.value + near.low)), min(1.0, max(high, mean + near.high - near.value))
    )


def _macro_f1(judged: _Judged, seed: int) -> Metric:
    """Mean F1 of the classes that occur in truth or answers; what is handed over is a class only if some should be."""
    outside = int(max(judged.truth.max(), judged.best.max())) + 1
    truth = np.where(judged.truth < 0, outside, judged.truth)
    answer = np.where(judged.answered, judged.best, outside)
    counted = outside + 1 if (judged.truth < 0).any() else outside

    def f1(rows: Integers) -> float:
        support = np.bincount(truth[rows], minlength=outside + 1)[:counted]
        given = np.bincount(answer[rows], minlength=outside + 1)[:counted]
        hits = np.bincount(truth[rows][truth[rows] == answer[rows]], minlength=outside + 1)[:counted]
        occurs = (support + given) > 0
        return float((2.0 * hits[occurs] / (support + given)[occurs]).mean()) if occurs.any() else 0.0

    def statistic(draws: Integers) -> Floats:
        return np.array([f1(rows) for rows in draws])

    value = f1(np.arange(len(truth)))
    low, high = bootstrap_rows(truth.astype(np.float64), statistic, seed)
    same = wilson(int((truth == answer).sum()), len(truth))
    return metric(
        value, max(0.0, min(low, value - same.value + same.low)), min(1.0, max(high, value + same.high - same.value))
    )


def _worst(judged: _Judged, names: Sequence[str], questions: Sequence[str]) -> Section:
    wrong = np.flatnonzero(~judged.right & (judged.top > 0))
    rows = wrong[np.argsort(-judged.top[wrong], kind="stable")][:WORST].tolist()
    return Section(
        title="Surest wrong answers",
        note="Questions whose best entry is not the right one, the surest first.",
        header=("question", "right entry", "best entry", "answered", "score"),
        rows=tuple(
            (
                questions[row][:_CHARS],
                "none" if judged.truth[row] < 0 else names[judged.truth[row]],
                names[judged.best[row]],
                "yes" if judged.answered[row] else "no",
                f"{judged.top[row]:.3f}",
            )
            for row in rows
        ),
        numbers_from=4,
    )
