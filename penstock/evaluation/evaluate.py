"""Measures one candidate on one test split: answers once, everything else is computed from those answers.

It knows neither how the model was trained nor what the gate asks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.evaluation import cost as costing
from penstock.evaluation import latency as timing
from penstock.evaluation import metrics
from penstock.evaluation.intervals import Floats, Integers
from penstock.evaluation.parity import parity, probabilities
from penstock.evaluation.report import Report, WrongAnswer, rows_digest
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress
from penstock.workspace.records import Costs, Price

WORST_ERRORS = 20
_TEXT_CHARS = 500


def evaluate(
    *,
    model: Model,
    reloaded: Model,
    test: Split,
    price: Price,
    costs: Costs,
    backbone_parity: float | None,
    seed: int,
    progress: Progress,
) -> Report:
    """Judge what will be served: `reloaded` answers, `model` (in memory) is only compared with it.

    backbone_parity: largest difference of the exported backbone to the original, None without a backbone.
    Raises BadInput without test rows or with other labels, Broken when answers are no probabilities.
    """
    if not test.texts:
        raise BadInput("there are no test rows to evaluate on", hint="give a test file, or a larger data file")
    if model.labels != reloaded.labels:
        raise BadInput("the saved model has other labels than the trained one", where=reloaded.kind)
    rows = len(test.texts)
    total = rows + 3 * (step := max(1, rows // 10))
    served = probabilities(reloaded, test.texts, lambda done: progress("evaluate", done, total, "answering the test"))
    progress("evaluate", rows, total, "timing single predictions")
    timings = timing.time_single_calls(reloaded, test.texts, seed)
    progress("evaluate", rows + step, total, "comparing saved with trained")
    same = parity(model=model, texts=test.texts, served=served, timings=timings, backbone=backbone_parity, seed=seed)
    labels = _all_labels(reloaded.labels, test.labels)
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[label] for label in test.labels], dtype=np.int64)
    predicted = served.argmax(axis=1).astype(np.int64)
    correct: NDArray[np.bool_] = truth == predicted
    spent = costing.cost(timings.cpu_s, price=price, costs=costs, seed=seed)
    progress("evaluate", rows + 2 * step, total, "computing intervals")
    report = Report(
        rows=rows,
        rows_digest=rows_digest(test.texts, test.labels),
        labels=labels,
        seed=seed,
        accuracy=metrics.accuracy(correct),
        macro_f1=metrics.macro_f1(truth, predicted, seed),
        per_class=metrics.per_class(truth, predicted, labels),
        confusion=metrics.confusion(truth, predicted),
        calibration=metrics.calibration(np.minimum(served.max(axis=1), 1.0), correct, seed),
        latency=timing.latency(timings),
        cost=spent,
        gross_margin=costing.gross_margin(spent),
        parity=same,
        worst_errors=_worst_errors(test, labels, served, truth, predicted),
        correct=tuple(correct.tolist()),
        predictions=tuple(predicted.tolist()),
    )
    progress("evaluate", total, total, "done")
    return report


def _all_labels(known: tuple[str, ...], occurring: tuple[str, ...]) -> tuple[str, ...]:
    """The model's labels, then those only the test knows: rows of the latter can only be wrong, and count as such."""
    return (*map(str, known), *sorted(set(occurring) - set(known)))


def _worst_errors(
    test: Split, labels: tuple[str, ...], served: Floats, truth: Integers, predicted: Integers
) -> tuple[WrongAnswer, ...]:
    """The wrong answers given with the highest score."""
    scores = served[np.arange(len(truth)), predicted]
    wrong = np.flatnonzero(truth != predicted)
    rows = wrong[np.argsort(-scores[wrong], kind="stable")][:WORST_ERRORS].tolist()
    known = served.shape[1]
    return tuple(
        WrongAnswer(
            row=row,
            text=_shortened(test.texts[row]),
            truth=labels[truth[row]],
            predicted=labels[predicted[row]],
            score=float(scores[row]),
            truth_score=float(served[row, truth[row]]) if truth[row] < known else 0.0,
        )
        for row in rows
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_CHARS else text[:_TEXT_CHARS] + "…"
