"""Intervals: they agree with published values, and the same seed always gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from penstock.core.errors import BadInput, Broken
from penstock.evaluation.intervals import (
    Metric,
    binomial_cdf,
    bootstrap_counts,
    bootstrap_rows,
    quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # these four: Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),
    ],
)
def test_a_proportion_has_the_published_wilson_interval(successes: int, total: int, low: float, high: float) -> None:
    found = wilson(successes, total)
    assert found.value == successes / total
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_of_no_rows_nothing_is_known() -> None:
    assert wilson(0, 0) == Metric(0.0, 0.0, 1.0)


@pytest.mark.parametrize(("successes", "total"), [(3, 2), (-1, 2), (0, -1)])
def test_what_is_no_proportion_is_refused(successes: int, total: int) -> None:
    with pytest.raises(BadInput, match="not a proportion"):
        wilson(successes, total)


@pytest.mark.parametrize(("n", "probability"), [(1, 0.5), (72, 0.95), (1_000, 0.5), (1_000, 0.95)])
def test_binomial_tails_are_exact(n: int, probability: float) -> None:
    expected = stats.binom.cdf(np.arange(n + 1), n, probability)
    assert np.allclose(binomial_cdf(n, probability), expected, rtol=1e-9, atol=1e-12)


def test_the_median_of_100_samples_lies_between_the_40th_and_the_61st() -> None:
    samples = np.random.default_rng(1).permutation(100) + 1
    assert quantile(samples, 0.5) == Metric(50, 40, 61)


def test_with_too_few_samples_for_a_p95_the_largest_stands_for_its_upper_bound() -> None:
    found = quantile(np.arange(1, 21), 0.95)
    assert (found.value, found.high) == (19, 20)
    assert quantile(np.array([7.0]), 0.95) == Metric(7, 7, 7)


def test_the_interval_of_a_p95_holds_the_truth_in_95_of_100_cases() -> None:
    draws = np.random.default_rng(0).exponential(size=(400, 200))
    truth = -np.log(0.05)
    found = [quantile(samples, 0.95) for samples in draws]
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.93


def test_bootstraps_repeat_with_the_same_seed_and_move_with_another() -> None:
    values = np.random.default_rng(0).random(200)

    def interval(seed: int) -> tuple[float, float]:
        return bootstrap_rows(values, lambda indices: values[indices].mean(axis=1), seed)

    assert interval(7) == interval(7) != interval(8)


def test_resampling_cells_tells_the_same_as_resampling_rows() -> None:
    right = np.array([True] * 160 + [False] * 40)
    by_rows = bootstrap_rows(right, lambda indices: right[indices].mean(axis=1), 0)
    by_cells = bootstrap_counts(np.array([160, 40]), lambda draws: draws[:, 0] / 200, 0)
    assert np.allclose(by_rows, by_cells, atol=0.01)
    assert by_cells == bootstrap_counts(np.array([160, 40]), lambda draws: draws[:, 0] / 200, 0)


@pytest.mark.parametrize(
    ("value", "low", "high"), [(float("nan"), 0, 1), (0.5, 0, float("inf")), (0.5, 0.6, 0.7), (0.5, 0.1, 0.2)]
)
def test_a_measurement_that_makes_no_sense_is_never_recorded(value: float, low: float, high: float) -> None:
    with pytest.raises(Broken):
        Metric(value, low, high)
