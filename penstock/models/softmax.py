"""Linear scores and softmax for one row at a time, so that a row cannot depend on its batch-mates.

No BLAS here: it may pick another kernel, or split among threads, by the shape of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats


def linear_scores(values: Floats, weights: Floats, bias: Floats) -> Floats:
    """values (k,), weights (k, labels) in rows, bias (labels,): scores (labels,)."""
    scores: Floats = np.einsum("k,kl->l", values, weights) + bias  # the bits of product and sum, in half the time
    return scores


def softmax(scores: Floats, temperature: float) -> Floats:
    """Probabilities (labels,) of scores (labels,) divided by the temperature (Guo et al. 2017), summed in float64."""
    scaled = scores.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max())
    probabilities: Floats = (raised / raised.sum()).astype(np.float32)
    return probabilities


def stacked(rows: Sequence[Floats], columns: int) -> Floats:
    """Rows (columns,) as one array (n, columns); n may be 0."""
    return np.stack(rows) if rows else np.empty((0, columns), dtype=np.float32)


def check_linear(where: str, weights: Floats, bias: Floats, temperature: float, shape: tuple[int, int]) -> None:
    """Raises Broken unless the parts of a linear model fit each other and are finite."""
    if weights.shape != shape or bias.shape != shape[1:]:
        raise Broken(f"weights {weights.shape} and bias {bias.shape} do not fit a model of {shape}", where=where)
    if not (np.isfinite(weights).all() and np.isfinite(bias).all() and 0 < temperature < float("inf")):
        raise Broken("the model holds numbers that are not finite", where=where)
