"""The rung `blend.v1`: n-grams and a tuned encoder answer together: few rows teach them different things.

The weight is chosen on held-out training rows, with the frozen encoder in the tuned one's place: tuning it again for
that would double the time, and on few rows the two are nearly as good.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from penstock.core.errors import Broken
from penstock.datasets.rows import Split
from penstock.models.protocol import Floats, Integers, Model
from penstock.tasks.text.model import blend as model_kind
from penstock.tasks.text.train import frozen_linear, full, ngram_linear
from penstock.training.calibration import fit_temperature
from penstock.training.records import Trained, TrainRequest, save, text_backbone
from penstock.training.rows import folds, numbered

NAME = "blend.v1"
USUAL = 0.3  # where a label has too few rows to hold one out
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FOLDS = 5
MOST_HELD = 1_000


def train(request: TrainRequest) -> Trained:
    """Train both, and choose how much the n-grams count. Raises what full.v1 raises."""
    began = time.perf_counter()
    if request.blobs is None or request.load is None:
        raise Broken("the halves of a blend have nowhere to be kept", where=NAME)
    text_backbone(request, NAME)
    plain = replace(request, recipe={}, checkpoint=None)
    weight, temperature, held = _weighed(plain)
    words = ngram_linear.train(plain)
    tuned = full.train(request)
    halves = {"first": save(tuned, request.blobs), "second": save(words, request.blobs)}
    settings = {**halves, "weight": weight, "temperature": temperature, "seed": request.seed}
    model = model_kind.Blend(tuned.model.labels, tuned.model, words.model, weight, temperature)
    return Trained(
        model=model,
        files={},
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=tuned.backbone,
        notes=(_told(weight, temperature, held), *words.notes, *tuned.notes),
        parameters={**tuned.parameters, "weight": weight},
        curves=tuned.curves,
    )


def _told(weight: float, temperature: float, held: int) -> str:
    if not held:
        return f"n-grams count {weight:g}, the usual; not calibrated: too few rows to hold any out"
    return (
        f"n-grams count {weight:g} at temperature {temperature:.3g}, chosen on {held:,} held-out training rows with "
        "the frozen encoder in the tuned one's place"
    )


def _weighed(request: TrainRequest) -> tuple[float, float, int]:
    """The weight with the least held-out log loss, its temperature, and the rows that decided."""
    _, truth = numbered(request.train)
    if np.bincount(truth).min() < 3:
        return USUAL, 1.0, 0
    kept, held = folds(truth, FOLDS, request.seed)[0]
    held = held[:MOST_HELD]
    part = replace(request, train=request.train.part(kept.tolist()))
    encoder, words = frozen_linear.train(part).model, ngram_linear.train(part).model
    first, second = (_answers(model, request.train, held) for model in (encoder, words))
    tried = []
    for weight in WEIGHTS:
        mixed = model_kind.blended(first, second, weight)
        temperature, loss = fit_temperature(mixed, truth[held])
        tried.append((loss, weight, temperature))
    _, weight, temperature = min(tried)
    return weight, temperature, len(held)


def _answers(model: Model, rows: Split, numbers: Integers) -> Floats:
    return model.predict([rows.texts[number] for number in numbers.tolist()])
