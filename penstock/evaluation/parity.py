"""Whether the model that was trained, the one that was saved and reloaded, and single or batched asking all agree.

Saved models that answer otherwise than the trained ones are the commonest complaint about training tools, so this is a
condition of every gate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.evaluation.intervals import Floats
from penstock.evaluation.latency import Timings
from penstock.models.protocol import Model

MOST_DIFFERENCE = 1e-4
MOST_ROWS = 1_000
_BATCH = 32


@dataclass(frozen=True)
class Comparison:
    """Two ways to ask the same rows: the largest difference of a probability, the share of equal labels."""

    rows: int
    max_difference: float
    label_agreement: float

    @property
    def holds(self) -> bool:
        return self.max_difference <= MOST_DIFFERENCE and self.label_agreement == 1.0


@dataclass(frozen=True)
class Parity:
    """trained_reloaded: in memory against the artifact as served. single_batch: one text a call against many.

    backbone: largest difference of the exported backbone to the original, None without a backbone.
    """

    trained_reloaded: Comparison
    single_batch: Comparison
    backbone: float | None

    @property
    def holds(self) -> bool:
        exported = self.backbone is None or self.backbone <= MOST_DIFFERENCE
        return self.trained_reloaded.holds and self.single_batch.holds and exported

    @property
    def max_difference(self) -> float:
        """The largest of all differences."""
        return max(self.trained_reloaded.max_difference, self.single_batch.max_difference, self.backbone or 0.0)


def parity(
    *, model: Model, texts: Sequence[str], served: Floats, timings: Timings, backbone: float | None, seed: int
) -> Parity:
    """Compare on up to 1,000 seeded rows. served: the reloaded model's answers to all texts (n, labels)."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(texts))[:MOST_ROWS])
    trained = probabilities(model, [texts[row] for row in rows], lambda _done: None)
    return Parity(
        trained_reloaded=compare(trained, served[rows]),
        single_batch=compare(timings.answers, served[list(timings.rows)]),
        backbone=backbone,
    )


def compare(one: Floats, other: Floats) -> Comparison:
    """Two arrays (k, labels) of probabilities for the same rows."""
    return Comparison(
        rows=len(one),
        max_difference=float(np.abs(one.astype(np.float64) - other).max()),
        label_agreement=float((one.argmax(axis=1) == other.argmax(axis=1)).mean()),
    )


def probabilities(model: Model, texts: Sequence[str], on_rows: Callable[[int], None]) -> Floats:
    """Predict in batches, one thread a core: (n, labels); a row's answer is the same in any batch and thread.

    Raises Broken when an answer is no probability row for the model's labels.
    """
    starts = range(0, len(texts), _BATCH)
    parts = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start, answer in zip(starts, pool.map(lambda at: _answers(model, texts, at), starts), strict=True):
            parts.append(answer)
            on_rows(start + len(answer))
    return np.concatenate(parts)


def _answers(model: Model, texts: Sequence[str], start: int) -> Floats:
    batch = texts[start : start + _BATCH]
    answer: Floats = np.asarray(model.predict(batch))
    if answer.shape != (len(batch), len(model.labels)):
        raise Broken(
            f"the model answered an array of {answer.shape} for {len(batch)} texts and {len(model.labels)} labels",
            where=model.kind,
        )
    if not (np.isfinite(answer).all() and (answer >= 0).all() and (answer <= 1 + 1e-5).all()):
        raise Broken("the model answered numbers that are no probabilities", where=f"{model.kind}, row {start} on")
    return answer
