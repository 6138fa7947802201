"""Two models on the same rows: which is better, and whether chance could explain it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from penstock.core.errors import BadInput
from penstock.evaluation.pairing import mcnemar, paired, sign_flips


@pytest.mark.parametrize(("better", "worse"), [(0, 1), (0, 6), (3, 3), (5, 14), (14, 5), (40, 75), (500, 430)])
def test_the_p_value_is_that_of_the_exact_binomial_test(better: int, worse: int) -> None:
    expected = stats.binomtest(better, better + worse, 0.5).pvalue
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-9)


def test_models_that_are_right_on_the_same_rows_do_not_differ() -> None:
    found = paired([True, False, True], [True, False, True])
    assert (found.better, found.worse, found.p_value, found.difference.value) == (0, 0, 1.0, 0.0)
    assert found.difference.low < 0 < found.difference.high  # three rows prove little


def test_only_rows_on_which_the_models_disagree_count() -> None:
    new, old = [True] * 90 + [False] * 10, [True] * 80 + [False] * 15 + [True] * 5
    found = paired(new, old)
    assert (found.rows, found.better, found.worse) == (100, 10, 5)
    assert found.difference.value == pytest.approx(0.05)


def test_the_interval_of_the_difference_holds_the_truth_in_95_of_100_cases() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        draw = generator.choice(3, size=150, p=[0.85, 0.10, 0.05])  # both alike, only new right, only old right
        found = paired([bool(cell != 2) for cell in draw], [bool(cell != 1) for cell in draw])
        held += found.difference.low <= 0.05 <= found.difference.high
    assert held / 500 >= 0.93


def test_graded_scores_that_are_equal_do_not_differ() -> None:
    scores = [0.3, -7.0, 12.5]
    found = paired(scores, scores)
    assert (found.better, found.worse, found.p_value, found.difference.value) == (0, 0, 1.0, 0.0)


def test_better_on_every_graded_row_is_no_chance() -> None:
    old = np.random.default_rng(1).normal(size=200)
    found = paired((old + 0.01).tolist(), old.tolist())
    assert (found.better, found.worse) == (200, 0) and found.p_value < 0.001
    assert found.difference.value == pytest.approx(0.01) and found.difference.low > 0
    assert paired(old.tolist(), (old + 0.01).tolist()).p_value < 0.001  # worse on every row is no chance either


def test_noise_around_zero_is_taken_for_chance() -> None:
    noise = np.random.default_rng(2).normal(size=200)
    found = paired([*noise, *-noise], [0.0] * 400)
    assert (found.better, found.worse) == (200, 200) and found.p_value > 0.5
    assert found.difference.low < 0 < found.difference.high


def test_the_p_value_of_graded_scores_is_near_that_of_every_possible_flip() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1.0, size=12)
    signs = np.array(list(itertools.product((-1, 1), repeat=12)))
    expected = float((np.abs(signs @ differences) >= abs(differences.sum()) * (1 - 1e-12)).mean())
    assert sign_flips(differences) == pytest.approx(expected, abs=0.02)


def test_a_graded_comparison_comes_out_the_same_when_it_is_made_again() -> None:
    new, old = np.random.default_rng(4).normal(size=(2, 300)).tolist()
    assert paired(new, old) == paired(new, old)


def test_one_graded_score_is_enough_to_leave_the_test_for_right_and_wrong() -> None:
    assert paired([1.0, 0.0, 0.5], [0.0, 0.0, 0.0]).difference.value == pytest.approx(0.5)


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(BadInput, match="cannot pair 2 rows with 3"):
        paired([True, True], [True, True, False])
    with pytest.raises(BadInput):
        paired([], [])
