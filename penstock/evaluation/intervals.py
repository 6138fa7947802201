"""Estimates with 95% intervals: Wilson, order statistics, percentile bootstrap, exact binomial tails.

It knows numbers only: no models, no texts, no money.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import BadInput, Broken

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Z95 = 1.959963984540054
TAIL = 0.025
RESAMPLES = 1_000
_CHUNK = 4_000_000  # numbers held at once while resampling: 32 MB


@dataclass(frozen=True)
class Metric:
    """An estimate and its 95% interval: finite numbers with low <= value <= high."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise Broken(f"a measurement is not a finite number: {self.value}, from {self.low} to {self.high}")
        if not self.low <= self.value <= self.high:
            raise Broken(f"the interval {self.low} to {self.high} does not hold its own estimate {self.value}")


def metric(value: float, low: float, high: float) -> Metric:
    """A Metric from numpy or python numbers; the interval is widened to hold the estimate if need be."""
    value, low, high = float(value), float(low), float(high)
    return Metric(value, min(value, low), max(value, high))


def wilson(successes: int, total: int) -> Metric:
    """A proportion with Wilson's score interval (Wilson 1927). Of nothing, nothing is known: 0 within [0, 1]."""
    if total < 0 or not 0 <= successes <= total:
        raise BadInput(f"{successes} of {total} is not a proportion")
    if total == 0:
        return Metric(0.0, 0.0, 1.0)
    share = successes / total
    shrink = 1 + Z95**2 / total
    centre = (share + Z95**2 / (2 * total)) / shrink
    half = Z95 / shrink * math.sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return metric(share, low, high)


def quantile(samples: NDArray[Any], share: float) -> Metric:
    """The `share`-quantile with the order-statistic interval, free of any assumed distribution.

    Below 72 samples the upper bound of a 0.95-quantile does not exist; the largest sample then stands for it.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        raise BadInput("a quantile of no samples")
    below = binomial_cdf(n, share)  # chance that at most k samples lie below the true quantile
    first = int(np.searchsorted(below, TAIL, side="right"))
    last = int(np.searchsorted(below, 1 - TAIL, side="left")) + 1
    point = ordered[max(0, math.ceil(n * share) - 1)]
    return metric(point, ordered[max(0, first - 1)], ordered[min(n, last) - 1])


def binomial_cdf(n: int, probability: float) -> Floats:
    """P(X <= k) for k = 0..n, X binomial(n, probability); shape (n + 1,)."""
    if not 0 < probability < 1:
        raise BadInput(f"a probability must lie between 0 and 1, not at {probability}")
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    k = np.arange(n + 1)
    log_pmf = logs[n] - logs - logs[::-1] + k * math.log(probability) + (n - k) * math.log1p(-probability)
    cdf: Floats = np.minimum(1.0, np.cumsum(np.exp(log_pmf)))
    return cdf


def bootstrap_rows(values: Floats, statistic: Callable[[NDArray[Any]], Floats], seed: int) -> tuple[float, float]:
    """Percentile bootstrap (Efron 1979): resample rows of `values` (n, …), 1,000 times, seeded.

    `statistic` maps indices (resamples, n) to one number per resample.
    """
    n = len(values)
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    parts = [
        statistic(generator.integers(0, n, size=(min(step, RESAMPLES - done), n))) for done in range(0, RESAMPLES, step)
    ]
    return percentiles(np.concatenate(parts))


def bootstrap_counts(counts: Integers, statistic: Callable[[Integers], Floats], seed: int) -> tuple[float, float]:
    """Percentile bootstrap of rows that only matter by the cell they fall in.

    counts: rows per cell. Drawing n rows with replacement is drawing the cells' counts from a multinomial, which costs
    the number of cells instead of the number of rows. `statistic` maps counts (resamples, cells) to one number each.
    """
    total = int(counts.sum())
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // len(counts))
    parts = [
        statistic(generator.multinomial(total, counts / total, size=min(step, RESAMPLES - done)))
        for done in range(0, RESAMPLES, step)
    ]
    return percentiles(np.concatenate(parts))


def percentiles(estimates: Floats) -> tuple[float, float]:
    """The central 95% of resampled estimates."""
    low, high = np.quantile(estimates, [TAIL, 1 - TAIL])
    return float(low), float(high)
