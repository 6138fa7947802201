"""The leak sentinel: finds columns that predict the target too well to be known beforehand.

Every column becomes one number, its bin's mean target out of fold ("weight of evidence" of credit scoring); columns
are then judged alone and together by how well they rank, out of fold. In numpy alone. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.tabular.data.schema import Values, days_of, iso_moment

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CERTAIN = 0.99  # of the AUC (or R²) of a column alone. Breast cancer's best column has 0.975, and is honest
INFORMATIVE = 0.62  # AUC (R² 0.1) from which the other columns together say something to be compared with
TIMES_LESS = 2.0  # by what the column divides the error that all others leave. Bank marketing's duration: 2.5
FOLDS = 5
BINS = 24
MOST_ROWS = 20_000
FEWEST_ROWS = 50  # below it nothing is judged
FEWEST_TOGETHER = 200  # below it a column is not compared with all others
FEWEST_OF_A_CLASS = 10
LOOKED_AT = 3  # the columns that do best alone are tried one by one; a leak below them would be no leak


@dataclass(frozen=True)
class Suspicion:
    """A column that predicts too well. certain: alone it all but gives the target. alone, others, all: how well the
    column ranks (AUC) or explains (R²), what all other columns together do, and what all do."""

    column: str
    certain: bool
    alone: float
    others: float
    all: float
    measure: str

    @property
    def evidence(self) -> str:
        """In words, for the report."""
        alone = f"{self.measure} {self.alone:.3f} alone"
        if self.certain:
            return alone
        return f"{alone}, {self.others:.3f} of all other columns, {self.all:.3f} together"


def suspicions(inputs: Sequence[Values], targets: Sequence[Any], skip: Sequence[str], seed: int) -> list[Suspicion]:
    """The columns that predict too well, the worst first. targets: labels (str) or numbers. skip: not judged.

    Certain: AUC alone of at least 0.99. Probable: it ranks better alone than all other columns together although
    these say something, and it halves at least the error they leave: honest columns share what they know with
    others (the best honest ones of four public risk sets divide it by 1.0 to 1.4).
    """
    names = sorted({name for values in inputs for name in values})
    if len(inputs) < FEWEST_ROWS or len(names) < 2:
        return []
    rows = np.random.default_rng(seed).permutation(len(inputs))[:MOST_ROWS]
    truth, measure = _truth([targets[row] for row in rows])
    if not len(truth):
        return []
    fold = np.arange(len(rows)) % FOLDS
    evidence = {name: _evidence(_bins([inputs[row].get(name) for row in rows]), truth, fold) for name in names}
    alone = {name: _quality(evidence[name], truth, measure) for name in names}
    found = [
        Suspicion(name, True, alone[name], 0.0, 0.0, measure)
        for name in names
        if alone[name] >= CERTAIN and name not in skip
    ]
    if not found and len(rows) >= FEWEST_TOGETHER:
        found = _outstanding(evidence, alone, truth, fold, skip, measure)
    return sorted(found, key=lambda each: (-each.alone, each.column))


def _outstanding(
    evidence: Mapping[str, Floats],
    alone: Mapping[str, float],
    truth: Floats,
    fold: Integers,
    skip: Sequence[str],
    measure: str,
) -> list[Suspicion]:
    names = list(evidence)
    best = sorted((name for name in names if name not in skip), key=lambda name: -alone[name])[:LOOKED_AT]
    everything = _together([evidence[name] for name in names], truth, fold, measure)
    informative = INFORMATIVE if measure == "AUC" else 0.1
    found = []
    for name in best:
        others = _together([evidence[other] for other in names if other != name], truth, fold, measure)
        better = alone[name] >= others >= informative
        if better and 1 - others >= TIMES_LESS * max(1 - everything, 1e-9):
            found.append(Suspicion(name, False, alone[name], others, everything, measure))
    return found


def _truth(targets: Sequence[Any]) -> tuple[Floats, str]:
    """One column (rows,) or (rows, classes) of zeros and ones, or the numbers themselves; empty: too few."""
    if not isinstance(targets[0], str):
        numbers = np.array(targets, dtype=np.float64)[:, None]
        return (numbers if numbers.std() > 0 else np.empty((0, 1))), "R²"
    labels, codes = np.unique(np.asarray(targets), return_inverse=True)
    counts = np.bincount(codes)
    judged = np.flatnonzero(counts >= FEWEST_OF_A_CLASS)
    if len(labels) < 2 or not len(judged):
        return np.empty((0, 1)), "AUC"
    if len(labels) == 2:
        judged = judged[:1] if len(judged) == 2 else np.array([], dtype=np.int64)
    return (codes[:, None] == judged).astype(np.float64) if len(judged) else np.empty((0, 1)), "AUC"


def _bins(values: Sequence[Any]) -> Integers:
    """A bin a row: quantiles of numbers and days, categories as they are, missing values apart."""
    if any(isinstance(value, str) for value in values):
        moments = [iso_moment(value) if isinstance(value, str) else None for value in values]
        if any(moment is None and value is not None for moment, value in zip(moments, values, strict=True)):
            _, codes = np.unique(np.array(["" if value is None else "=" + str(value) for value in values]), False, True)
            return np.asarray(codes, dtype=np.int64)
        numbers = np.array([np.nan if moment is None else days_of(moment) for moment in moments])
    else:
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    present = np.isfinite(numbers)
    if not present.any():
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(numbers[present], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(present, 1 + np.searchsorted(edges, np.where(present, numbers, 0.0), side="left"), 0)


def _evidence(bins: Integers, truth: Floats, fold: Integers) -> Floats:
    """(rows, targets): the mean target of the row's bin in the other folds, drawn to the overall mean by 5 rows.

    For classes as log-odds, so that adding columns up is what naive Bayes would do.
    """
    out = np.empty(truth.shape)
    size = int(bins.max()) + 1
    binary = set(np.unique(truth)) <= {0.0, 1.0}
    for held in range(FOLDS):
        kept, left = fold != held, fold == held
        count = np.bincount(bins[kept], minlength=size)
        for column in range(truth.shape[1]):
            base = truth[kept, column].mean()
            sums = np.bincount(bins[kept], weights=truth[kept, column], minlength=size)
            rate = (sums + 5 * base) / (count + 5)
            if binary:
                rate = np.clip(rate, 1e-4, 1 - 1e-4)
                rate = np.log(rate / (1 - rate))
            out[left, column] = rate[bins[left]]
    return out


def _together(columns: Sequence[Floats], truth: Floats, fold: Integers, measure: str) -> float:
    """How well a ridge on all columns' evidence does, out of fold."""
    scores = np.empty(truth.shape)
    for column in range(truth.shape[1]):
        features = np.column_stack([each[:, column] for each in columns])
        features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
        for held in range(FOLDS):
            kept, left = fold != held, fold == held
            base = truth[kept, column].mean()
            moment = features[kept].T @ features[kept] + 10.0 * np.eye(features.shape[1])
            weights = np.linalg.solve(moment, features[kept].T @ (truth[kept, column] - base))
            scores[left, column] = base + features[left] @ weights
    return _quality(scores, truth, measure)


def _quality(scores: Floats, truth: Floats, measure: str) -> float:
    """The mean AUC over the targets, or R²."""
    if measure == "AUC":
        return float(np.mean([_auc(scores[:, column], truth[:, column] == 1) for column in range(truth.shape[1])]))
    rest = float(((truth - scores) ** 2).sum())
    return max(0.0, 1 - rest / float(((truth - truth.mean()) ** 2).sum()))


def _auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Mann and Whitney's: how often a positive row stands above another, ties half."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    ones = int(positive.sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * (len(scores) - ones)))
