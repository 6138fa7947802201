"""`frozen-linear.v1` for any number of labels: logistic regression for each label against the rest, on the vectors of a
frozen sentence encoder."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from penstock.models.protocol import Floats, Parts
from penstock.runtime.progress import Progress
from penstock.tasks.text.model.multi_label import head_file, open_frozen
from penstock.tasks.text.train.frozen_linear import CHEAP_WORK, CHOOSING_TOLERANCE, FOLDS, STRENGTHS, embedded
from penstock.tasks.text.train.multi_label.calibration import Calibrated, Exact, calibrate
from penstock.tasks.text.train.multi_label.notes import calibrated_in_words
from penstock.tasks.text.train.multi_label.rows import SetRows, Truth, set_folds, set_rows
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest, text_backbone
from penstock.training.rows import enough_to_judge
from penstock.training.softmax_head import fit_path, fit_told


def train(request: TrainRequest) -> Trained:
    """Fit on the request's rows. Raises as the rung for one label does."""
    with training_libraries("training on a backbone"):
        import scipy.optimize  # noqa: F401
    began = time.perf_counter()
    backbone, rows = text_backbone(request, "frozen-linear.v1"), set_rows(request)
    vectors = embedded(request, backbone, rows.texts)
    strength, found, held = _calibrated(vectors, rows, request.seed, request.progress)
    told = fit_told(request.progress, len(STRENGTHS), len(STRENGTHS) + 1, "fitting on all rows")
    head = next(fit_path(vectors, rows.truth, len(rows.labels), (strength,), tell=told, loss=sigmoid_objective))
    weights, bias = head.weights * found.slopes, head.bias * found.slopes + found.offsets
    files = head_file(weights, bias, found.thresholds)
    settings = {"strength": strength, "seed": request.seed, "rows": len(rows)}
    model = open_frozen(Parts(rows.labels, settings, files.__getitem__, "the trained model", backbone))
    request.progress("train", 100, 100, "done")
    return Trained(
        model=model,
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=backbone.digest,
        notes=(
            f"vectors of {backbone.hidden} numbers, texts cut at {backbone.max_tokens} tokens",
            f"{len(rows.labels):,} labels, each against the rest, regularisation C = {strength:g}",
            calibrated_in_words(found, held),
        ),
    )


def _calibrated(vectors: Floats, rows: SetRows, seed: int, progress: Progress) -> tuple[float, Calibrated, int]:
    """The strength with the least held-out log loss, calibrated; and on how many rows. The path rises from stiff to
    loose, and ends once the loss worsens."""
    classes, parts = len(rows.labels), set_folds(rows.truth, FOLDS, seed)
    parts = parts[:1] if vectors.size * classes > CHEAP_WORK else parts
    parts = [(kept, enough_to_judge(out, classes)) for kept, out in parts]
    held = np.concatenate([out for _, out in parts])
    paths = [
        fit_path(
            vectors[kept],
            rows.truth[kept],
            classes,
            STRENGTHS,
            CHOOSING_TOLERANCE,
            tell=fit_told(progress, 0, len(STRENGTHS) + 1, "comparing strengths", fold=fold, folds=len(parts)),
            loss=sigmoid_objective,
        )
        for fold, (kept, _) in enumerate(parts)
    ]
    tried: list[tuple[float, Calibrated]] = []
    for heads in zip(*paths, strict=True):
        scores = np.concatenate([head.scores(vectors[out]) for head, (_, out) in zip(heads, parts, strict=True)])
        tried.append((heads[0].strength, calibrate(scores, rows.truth[held])))
        if len(tried) > 1 and tried[-1][1].loss >= tried[-2][1].loss:
            break
    strength, found = min(tried, key=lambda pair: pair[1].loss)
    return strength, found, len(held)


def sigmoid_objective(inputs: Floats, truth: Truth, classes: int, penalties: Exact, share: Floats | None) -> Any:
    """Mean over rows of the log losses of all labels, and its gradient, as a function of the flat weights.

    truth: (rows, labels). Products in float32, sums and steps in float64; all rows weigh alike.
    """
    rows, targets = len(truth), truth.astype(np.float32)

    def loss_and_gradient(flat: Exact) -> tuple[float, Exact]:
        weights = flat.reshape(-1, classes)
        scores = inputs @ weights.astype(np.float32)
        losses = np.logaddexp(np.float32(0), scores) - targets * scores
        loss = float(losses.sum(dtype=np.float64) / rows + 0.5 * (penalties * weights * weights).sum())
        errors = np.exp(-np.logaddexp(np.float32(0), -scores)) - targets
        gradient = (inputs.T @ errors).astype(np.float64) / rows + penalties * weights
        return loss, gradient.ravel()

    return loss_and_gradient
