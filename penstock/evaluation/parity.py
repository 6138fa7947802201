"""Whether the model that was trained, the one that was saved and reloaded, and single or batched asking all agree.

Saved models that answer otherwise than the trained ones are the commonest complaint about training tools, so this is a
condition of every gate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.evaluation.latency import Timings
from penstock.models.protocol import Floats, Model

MOST_DIFFERENCE = 1e-4
MOST_ROWS = 1_000
_BATCH = 32


@dataclass(frozen=True)
class Comparison:
    """Two ways to ask the same rows: the largest difference of a score, the share of equal best labels."""

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
    *, model: Model, inputs: Sequence[Any], served: Floats, timings: Timings, backbone: float | None, seed: int
) -> Parity:
    """Compare on up to 1,000 seeded rows. served: the reloaded model's answers to all inputs (n, labels)."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:MOST_ROWS])
    trained = answers_of(model, [inputs[row] for row in rows], lambda _done: None)
    return Parity(
        trained_reloaded=compare(trained, served[rows]),
        single_batch=compare(timings.answers, served[list(timings.rows)]),
        backbone=backbone,
    )


def compare(one: Floats, other: Floats) -> Comparison:
    """Two arrays (k, labels) of scores for the same rows. Scores beyond 1 are compared by their relative difference:
    a price of 100,000 has no four decimals in float32."""
    scale = np.maximum(1.0, np.abs(other.astype(np.float64)))
    return Comparison(
        rows=len(one),
        max_difference=float((np.abs(one.astype(np.float64) - other) / scale).max()),
        label_agreement=float((one.argmax(axis=1) == other.argmax(axis=1)).mean()),
    )


def answers_of(model: Model, inputs: Sequence[Any], on_rows: Callable[[int], None]) -> Floats:
    """Predict in batches, one thread a core: (n, labels); a row's answer is the same in any batch and thread.

    Raises Broken when an answer is no row of finite scores for the model's labels.
    """
    starts = range(0, len(inputs), _BATCH)
    parts = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start, answer in zip(starts, pool.map(lambda at: _answers(model, inputs, at), starts), strict=True):
            parts.append(answer)
            on_rows(start + len(answer))
    return np.concatenate(parts)


def _answers(model: Model, inputs: Sequence[Any], start: int) -> Floats:
    batch = inputs[start : start + _BATCH]
    answer: Floats = np.asarray(model.predict(batch))
    if answer.shape != (len(batch), len(model.labels)):
        raise Broken(
            f"the model answered an array of {answer.shape} for {len(batch)} inputs and {len(model.labels)} labels",
            where=model.kind,
        )
    if not np.isfinite(answer).all():
        raise Broken("the model answered numbers that are not finite", where=f"{model.kind}, row {start} on")
    return answer
