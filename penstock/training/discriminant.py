"""A head for very many classes in closed form: linear discriminant analysis with a shrunk covariance.

All classes share one covariance, which a handful of rows each determine together; memory is rows x hidden and
classes x hidden, never rows x classes. Fisher 1936; shrunk towards the identity as Friedman 1989 does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from penstock.models.protocol import Floats, Integers

Exact = npt.NDArray[np.float64]


def discriminants(
    vectors: Floats, truth: Integers, classes: int, shrinkages: Sequence[float], row_weights: Floats | None = None
) -> Iterator[tuple[Floats, Floats]]:
    """Per shrinkage, weights (hidden, classes) and bias (classes,): scores are log likelihoods but for a constant.

    vectors: (rows, hidden); truth: (rows,) class numbers. shrinkages: what is added to the covariance within classes,
    times the vectors' mean variance: small ones trust the covariance, large ones end at the nearest class mean.
    row_weights: (rows,); None: all 1. A class without rows gets the mean of all rows.
    """
    weights = np.ones(len(truth)) if row_weights is None else row_weights.astype(np.float64)
    total = float(weights.sum())
    centre = np.average(vectors, axis=0, weights=weights).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = vectors - centre
        counts = np.bincount(truth, weights, minlength=classes)
        means = _sums(centred, truth, weights, classes) / np.maximum(counts, 1e-12)[:, None]
        spread = (centred.T @ (centred * weights[:, None].astype(np.float32))).astype(np.float64)
        within = (spread - (means * counts[:, None]).T @ means) / total
        variance = float(np.trace(spread)) / total / len(centre)
    prior = np.log(np.maximum(counts, 0.5) / total)
    for shrinkage in shrinkages:
        covariance = within + (shrinkage * variance + 1e-9) * np.eye(len(centre))
        found = _solved(covariance, means.T)
        bias = prior - 0.5 * (means.T * found).sum(axis=0) - centre @ found
        yield np.ascontiguousarray(found, dtype=np.float32), bias.astype(np.float32)


def _sums(vectors: Floats, truth: Integers, weights: Exact, classes: int) -> Exact:
    """The weighted sum of each class's rows (classes, hidden), in float64."""
    from scipy.sparse import csr_matrix

    owner = csr_matrix((weights, (truth, np.arange(len(truth)))), shape=(classes, len(truth)))
    sums: Exact = owner @ vectors.astype(np.float64)
    return sums


def _solved(covariance: Exact, sides: Exact) -> Exact:
    """covariance^-1 @ sides; what is not finite stays so, for the caller to refuse."""
    if not np.isfinite(covariance).all():
        return np.full_like(sides, np.nan)
    solved: Exact = np.linalg.solve(covariance, sides).astype(np.float64)
    return solved
