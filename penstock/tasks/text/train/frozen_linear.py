"""The rung `frozen-linear.v1`: a frozen sentence encoder's vectors (embedded once, cached) and a softmax head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Integers, Parts
from penstock.runtime.progress import Progress
from penstock.tasks.text.model import frozen_linear as model_kind
from penstock.tasks.text.train.rows import TextRows, held_out, text_rows
from penstock.training.calibration import fit_temperature, log_losses
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest, text_backbone
from penstock.training.rows import enough_to_judge
from penstock.training.softmax_head import Exact, Head, fit_path, fit_told, regularised

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS = 3
CHEAP_WORK = 100_000_000  # rows x hidden x classes: above it one fold chooses as well as three, in a third of the time
CHOOSING_TOLERANCE = 1e-3  # of the gradient, while strengths are compared


def train(request: TrainRequest) -> Trained:
    """Fit on the request's rows.

    Raises BadInput for rows that cannot train or without a backbone, Unavailable without scipy, Broken for vectors
    that are not finite.
    """
    with training_libraries("training on a backbone"):
        import scipy.optimize  # noqa: F401
    began = time.perf_counter()
    backbone = text_backbone(request, model_kind.KIND)
    rows = text_rows(request)
    labels = rows.labels
    vectors = embedded(request, backbone, rows.texts)
    chosen = _choose(vectors, rows, request.seed, request.progress)
    told = fit_told(request.progress, len(STRENGTHS), len(STRENGTHS) + 1, "fitting on all rows")
    told(0, 0.0)
    head = next(fit_path(vectors, rows.truth, len(labels), (chosen.strength,), weights=rows.weights, tell=told))
    files = model_kind.to_files(head.weights, head.bias)
    settings = {
        "temperature": chosen.temperature,
        "strength": chosen.strength,
        "seed": request.seed,
        "rows": rows.originals,
    }
    model = model_kind.open_parts(Parts(labels, settings, files.__getitem__, "the trained model", backbone))
    request.progress("train", 100, 100, "done")
    return Trained(
        model=model,
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=backbone.digest,
        notes=(
            f"vectors of {backbone.hidden} numbers, texts cut at {backbone.max_tokens} tokens",
            f"{regularised(chosen.strength, len(labels))}, chosen on {chosen.rows:,} held-out training rows "
            f"(accuracy {chosen.accuracy:.4f})",
            f"temperature {chosen.temperature:.3g}, fitted on the same",
            *rows.notes,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    strength: float
    temperature: float
    loss: float
    losses: Exact
    accuracy: float
    rows: int


def _choose(vectors: Floats, rows: TextRows, seed: int, progress: Progress) -> _Choice:
    """The stiffest strength whose held-out log loss is within one standard error of the least.

    The one-standard-error rule (Breiman, Friedman, Olshen, Stone 1984): the loss is flat over a decade of strengths,
    and its very minimum is noise. The path rises from stiff to loose and ends once the loss worsens.
    """
    truth, classes = rows.truth, len(rows.labels)
    parts = held_out(rows, FOLDS, seed)
    if vectors.size * classes > CHEAP_WORK:
        parts = parts[:1]
    parts = [(kept, enough_to_judge(out, classes)) for kept, out in parts]
    held = np.concatenate([out for _, out in parts])
    paths = [
        fit_path(
            vectors[kept],
            truth[kept],
            classes,
            STRENGTHS,
            CHOOSING_TOLERANCE,
            weights=rows.weights[kept],
            tell=fit_told(progress, 0, len(STRENGTHS) + 1, "comparing strengths", fold=fold, folds=len(parts)),
        )
        for fold, (kept, _) in enumerate(parts)
    ]
    tried: list[_Choice] = []
    for step, heads in enumerate(zip(*paths, strict=True)):
        progress("train", 100 * (step + 1) // (len(STRENGTHS) + 1), 100, f"C = {heads[0].strength:g}")
        tried.append(_judge(heads, vectors, parts, truth[held]))
        if len(tried) > 1 and tried[-1].loss >= tried[-2].loss:
            break
    if not tried:
        raise Broken("no regularisation strength was tried")
    best = min(tried, key=lambda choice: choice.loss)
    return next(choice for choice in tried if _as_good(choice, best))


def _as_good(choice: _Choice, best: _Choice) -> bool:
    excess = choice.losses - best.losses
    return bool(excess.mean() <= excess.std() / np.sqrt(len(excess)))


def _judge(
    heads: Sequence[Head], vectors: Floats, parts: Sequence[tuple[Integers, Integers]], truth: Integers
) -> _Choice:
    scores = np.concatenate([head.scores(vectors[out]) for head, (_, out) in zip(heads, parts, strict=True)])
    temperature, loss = fit_temperature(scores, truth)
    accuracy = float((scores.argmax(axis=1) == truth).mean())
    losses = log_losses(scores.astype(np.float64) / temperature, truth)
    return _Choice(heads[0].strength, temperature, loss, losses, accuracy, len(truth))


def embedded(request: TrainRequest, backbone: Backbone, texts: Sequence[str]) -> Floats:
    """The texts' vectors, from the cache where it has them. Raises Broken for numbers that are not finite."""
    if request.cache is None:
        vectors = backbone.embed_bulk(texts, request.progress)
    else:
        vectors = request.cache.embed(backbone, texts, request.progress)
    damaged = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(damaged):
        raise Broken(
            f"the backbone gave {len(damaged)} vectors that are not finite, the first for {texts[damaged[0]][:60]!r}",
            where=f"backbone {backbone.digest[:12]}…",
            hint="its weights are damaged or do not fit its configuration: use another backbone",
        )
    return vectors
