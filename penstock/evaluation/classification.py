"""Measures a classifier's answers: accuracy first, then macro-F1, calibration, every class and the worst errors.

Any task whose answers are probabilities of classes is measured here, whatever it reads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import Broken
from penstock.evaluation import metrics
from penstock.evaluation import trivial as without
from penstock.evaluation.intervals import Integers
from penstock.evaluation.measured import Classes, Measured, WrongAnswer
from penstock.models.protocol import Floats

QUALITY = ("accuracy", "macro_f1", "ece")
TRIVIAL = ("accuracy", "macro_f1")
"""Of these it tells what no model is needed for."""
WORST_ERRORS = 20
_TEXT_CHARS = 500


def measure_classes(
    known: Sequence[str], truth: Sequence[str], answers: Floats, described: Sequence[str], seed: int
) -> Measured:
    """known: the model's labels. truth: the right label a row (n,). answers: probabilities (n, known).

    described: each row's input in words, for the table of worst errors. Rows of a label that only the test knows can
    only be wrong, and count as such. Raises Broken when answers are no probabilities.
    """
    check_probabilities(answers)
    labels = (*map(str, known), *sorted(set(truth) - set(known)))
    index = {label: i for i, label in enumerate(labels)}
    right = np.array([index[label] for label in truth], dtype=np.int64)
    predicted = answers.argmax(axis=1).astype(np.int64)
    correct: NDArray[np.bool_] = right == predicted
    macro_f1 = metrics.macro_f1(right, predicted, seed)
    calibration = metrics.calibration(np.minimum(answers.max(axis=1), 1.0), correct, seed)
    return Measured(
        quality={
            "accuracy": metrics.accuracy(correct),
            "macro_f1": macro_f1,
            "ece": calibration.ece,
        },
        scores=tuple(correct.astype(float).tolist()),
        classes=Classes(
            labels=labels,
            per_class=metrics.per_class(right, predicted, labels),
            confusion=metrics.confusion(right, predicted),
            calibration=calibration,
            worst_errors=_worst_errors(labels, right, predicted, answers, described),
        ),
        trivial=without.of_classes(right, predicted, macro_f1),
    )


def check_probabilities(answers: Floats) -> None:
    if not ((answers >= 0).all() and (answers <= 1 + 1e-5).all()):
        raise Broken("the model answered numbers that are no probabilities")


def _worst_errors(
    labels: Sequence[str], truth: Integers, predicted: Integers, answers: Floats, described: Sequence[str]
) -> tuple[WrongAnswer, ...]:
    """The wrong answers given with the highest score."""
    scores = answers[np.arange(len(truth)), predicted]
    wrong = np.flatnonzero(truth != predicted)
    rows = wrong[np.argsort(-scores[wrong], kind="stable")][:WORST_ERRORS].tolist()
    return tuple(
        WrongAnswer(
            row=row,
            text=shortened(described[row]),
            truth=labels[truth[row]],
            predicted=labels[predicted[row]],
            score=float(scores[row]),
            truth_score=float(answers[row, truth[row]]) if truth[row] < answers.shape[1] else 0.0,
        )
        for row in rows
    )


def shortened(text: str) -> str:
    return text if len(text) <= _TEXT_CHARS else text[:_TEXT_CHARS] + "…"
