"""`ngram-linear.v1` for any number of labels: a linear SVM on n-grams for each label against the rest."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Integers, Parts
from penstock.runtime.progress import Progress, Tell, part
from penstock.tasks.text.model.multi_label import ngram_files, open_ngram
from penstock.tasks.text.model.ngrams import learn_vocabulary
from penstock.tasks.text.train.multi_label.calibration import Calibrated, calibrate
from penstock.tasks.text.train.multi_label.notes import calibrated_in_words
from penstock.tasks.text.train.multi_label.rows import SetRows, set_folds, set_rows
from penstock.tasks.text.train.ngram_linear import (
    CHEAP_WORK,
    FOLDS,
    MOST_COLUMNS,
    MOST_WEIGHTS,
    STRENGTHS,
    TOLERANCE,
    USUAL_STRENGTH,
    counted,
    matrix_of,
)
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest
from penstock.training.rows import enough_to_judge


def train(request: TrainRequest) -> Trained:
    """Fit on the request's rows. Raises BadInput for rows that cannot train, Unavailable without scikit-learn."""
    with training_libraries("training on n-grams"):
        import scipy.sparse  # noqa: F401
        import sklearn.svm  # noqa: F401
    began = time.perf_counter()
    rows, progress = set_rows(request), request.progress
    progress("n-grams", 0, 2 * len(rows), "reading")
    most = min(MOST_COLUMNS, max(10_000, MOST_WEIGHTS // len(rows.labels)))
    vocabulary = learn_vocabulary(counted(rows.texts, 0, progress), most)
    matrix = matrix_of(vocabulary, counted(rows.texts, len(rows), progress), len(rows))
    strength, found, held = _calibrated(matrix, rows, request.seed, progress)
    tell = part(progress, "train", 0.5, 1.0, "fitting on all rows")
    weights, bias = _fit(matrix, rows, np.arange(len(rows)), strength, request.seed, tell)
    weights, bias = weights * found.slopes, bias * found.slopes + found.offsets
    files = ngram_files(vocabulary, weights, bias, found.thresholds)
    settings = {"strength": strength, "seed": request.seed, "rows": len(rows)}
    model = open_ngram(Parts(rows.labels, settings, files.__getitem__, "the trained model"))
    sample = np.linspace(0, len(rows) - 1, num=min(len(rows), 200), dtype=np.int64)
    expected = matrix[sample].astype(np.float32) @ weights + bias
    difference = float(np.abs(expected - np.stack([model.scores(rows.texts[row]) for row in sample])).max())
    if not difference <= 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise Broken(f"the model's scores differ from the fitted ones by {difference:.2g}", where=model.kind)
    progress("train", 100, 100, "done")
    return Trained(
        model=model,
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=(
            f"{len(vocabulary):,} n-grams, {len(rows.labels):,} labels, each against the rest, regularisation C = "
            f"{strength:g}",
            calibrated_in_words(found, held),
        ),
    )


def _calibrated(matrix: Any, rows: SetRows, seed: int, progress: Progress) -> tuple[float, Calibrated, int]:
    """The strength with the least held-out log loss (the usual one where trying takes long), calibrated; and on how
    many rows."""
    cheap = matrix.nnz * len(rows.labels) <= CHEAP_WORK
    parts = set_folds(rows.truth, FOLDS, seed)
    parts = [(kept, enough_to_judge(out, len(rows.labels))) for kept, out in (parts if cheap else parts[:1])]
    held = np.concatenate([out for _, out in parts])
    strengths = STRENGTHS if cheap else (USUAL_STRENGTH,)
    share = 0.5 / (len(strengths) * len(parts))
    tried: list[tuple[float, Calibrated]] = []
    for place, strength in enumerate(strengths):
        scores = []
        for number, (kept, out) in enumerate(parts, start=place * len(parts)):
            tell = part(progress, "train", number * share, (number + 1) * share, "fitting, to calibrate")
            weights, bias = _fit(matrix, rows, kept, strength, seed, tell)
            scores.append(matrix[out].astype(np.float32) @ weights + bias)
        tried.append((strength, calibrate(np.concatenate(scores), rows.truth[held])))
    strength, found = min(tried, key=lambda pair: pair[1].loss)
    return strength, found, len(held)


def _fit(matrix: Any, rows: SetRows, kept: Integers, strength: float, seed: int, tell: Tell) -> tuple[Floats, Floats]:
    """Weights (columns, labels) and bias (labels,); zeros for a label that all of these rows have, or none."""
    from sklearn.svm import LinearSVC

    estimator, chosen, truth = (
        LinearSVC(C=strength, tol=TOLERANCE, dual=True, random_state=seed),
        matrix[kept],
        rows.truth,
    )
    weights = np.zeros((matrix.shape[1], len(rows.labels)), dtype=np.float32)
    bias = np.zeros(len(rows.labels), dtype=np.float32)
    for label in range(len(rows.labels)):
        tell(label / len(rows.labels))
        own = truth[kept, label]
        if own.any() and not own.all():
            estimator.fit(chosen, own)
            weights[:, label], bias[label] = estimator.coef_[0], estimator.intercept_[0]
    return weights, bias
