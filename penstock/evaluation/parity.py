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
from numpy.typing import NDArray

from penstock.core.errors import Broken
from penstock.evaluation.latency import Timings
from penstock.models.protocol import Floats, Model, thresholds_of
from penstock.models.vectors import OnVectors

MOST_DIFFERENCE = 1e-4
MOST_ROWS = 1_000
WHOLE_WAY = 64  # rows that go through a model's own encoder too, where its vectors are known
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
    *,
    model: Model,
    inputs: Sequence[Any],
    served: Floats,
    timings: Timings,
    backbone: float | None,
    seed: int,
    vectors: Floats | None = None,
) -> Parity:
    """Compare on up to 1,000 seeded rows. served: the reloaded model's answers to all inputs (n, labels). vectors: of
    all inputs, by the very backbone (its digest) that `model` stands on too: what stands on them is then compared on
    every row, and the way from the text on a few."""
    order = np.random.default_rng(seed).permutation(len(inputs))
    rows = np.sort(order[: MOST_ROWS if vectors is None else WHOLE_WAY])
    levels = thresholds_of(model)
    trained = compare(answers_of(model, [inputs[row] for row in rows], lambda _done: None), served[rows], levels)
    if vectors is not None and isinstance(model, OnVectors):
        trained = joined(trained, compare(model.from_vectors(vectors), served, levels))
    return Parity(
        trained_reloaded=trained,
        single_batch=compare(timings.answers, served[list(timings.rows)], levels),
        backbone=backbone,
    )


def joined(one: Comparison, other: Comparison) -> Comparison:
    """The worse of both, on as many rows as the larger."""
    return Comparison(
        max(one.rows, other.rows),
        max(one.max_difference, other.max_difference),
        min(one.label_agreement, other.label_agreement),
    )


def compare(one: Floats, other: Floats, thresholds: Floats | None = None) -> Comparison:
    """Two arrays (k, labels) of scores for the same rows. Scores beyond 1 are compared by their relative difference:
    a price of 100,000 has no four decimals in float32. thresholds: (labels,) of a model that gives several labels; a
    score that lies on one, within what may differ, agrees with either side."""
    scale = np.maximum(1.0, np.abs(other.astype(np.float64)))
    return Comparison(
        rows=len(one),
        max_difference=float((np.abs(one.astype(np.float64) - other) / scale).max()),
        label_agreement=float(_agree(one, other, thresholds).mean()),
    )


def _agree(one: Floats, other: Floats, thresholds: Floats | None) -> NDArray[np.bool_]:
    if thresholds is None:
        return np.asarray(one.argmax(axis=1) == other.argmax(axis=1))
    same = ((one >= thresholds) == (other >= thresholds)) | (np.abs(other - thresholds) <= MOST_DIFFERENCE)
    return np.asarray(same.all(axis=1))


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
    return checked(np.asarray(model.predict(batch)), model, len(batch), f"row {start} on")


def checked(answer: Floats, model: Model, rows: int, where: str) -> Floats:
    """The answer, if it is a row of finite scores for each of the rows. Raises Broken."""
    if answer.shape != (rows, len(model.labels)):
        raise Broken(
            f"the model answered an array of {answer.shape} for {rows} inputs and {len(model.labels)} labels",
            where=model.kind,
        )
    if not np.isfinite(answer).all():
        raise Broken("the model answered numbers that are not finite", where=f"{model.kind}, {where}")
    return answer
