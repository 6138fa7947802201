"""The rung `trigrams.v1`: counts, smoothed. Importing it loads no training library."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from penstock.core.errors import BadInput
from penstock.core.hashing import canonical_json
from penstock.models.artifact import tensors_to_bytes
from penstock.models.protocol import Parts
from penstock.training.records import Rung, Trained, Training, TrainRequest
from penstock_languages.model import KIND, VOCABULARY, WEIGHTS, open_parts, trigrams

MOST_TRIGRAMS = 20_000
SMOOTHING = 0.5


def train(request: TrainRequest) -> Trained:
    """Count the trigrams of each language. Raises BadInput for fewer than two languages."""
    began = time.perf_counter()
    check(request)
    labels = request.train.classes
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for done, (text, label) in enumerate(zip(request.train.inputs, request.train.labels, strict=True), 1):
        counts[label].update(trigrams(text))
        request.progress("train", done, len(request.train), "counting")
    total: Counter[str] = sum(counts.values(), Counter())
    vocabulary = sorted(sorted(total, key=lambda one: (-total[one], one))[:MOST_TRIGRAMS])
    table = np.array([[counts[label][one] for label in labels] for one in [*vocabulary, ""]], dtype=np.float64)
    logs = np.log((table + SMOOTHING) / (table + SMOOTHING).sum(axis=0)).astype(np.float32)
    files = {WEIGHTS: tensors_to_bytes({"logs": logs}), VOCABULARY: canonical_json(vocabulary)}
    settings = {"smoothing": SMOOTHING, "rows": len(request.train)}
    model = open_parts(Parts(labels, settings, files.__getitem__, "the trained model"))
    return Trained(model, files, settings, time.perf_counter() - began, notes=(f"{len(vocabulary):,} trigrams",))


def check(request: TrainRequest) -> None:
    """Raises BadInput for fewer than two languages."""
    if len(request.train.classes) < 2:
        raise BadInput("the rows are of one language", hint="give rows of at least two", where="label")


TRAINING = Training((Rung(KIND, train, minutes=0.05, check=check),))
