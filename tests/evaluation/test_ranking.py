"""Ranked lists: places, gains and intervals, against figures worked out by hand."""

import math

import numpy as np
import pytest

from penstock.evaluation.ranking import NEVER, best, gains, mean_over_users, place_of, quality_of, ranks_of


def row(*scores: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(scores, dtype=np.float32)


def test_the_place_counts_what_is_better_and_equal_ones_before() -> None:
    scores = row(0.5, 0.9, 0.5, -math.inf, 0.1)
    assert [place_of(scores, target) for target in range(5)] == [1, 0, 2, NEVER, 3]
    assert best(scores, 10).tolist() == [1, 0, 2, 4]  # the order in which an answer lists them


def test_a_target_that_is_no_item_is_never_found() -> None:
    assert ranks_of(np.stack([row(1, 2), row(1, 2)]), np.array([-1, 0])).tolist() == [NEVER, 1]


def test_ndcg_at_10_gains_by_place_and_nothing_from_the_eleventh_on() -> None:
    found = gains(np.array([0, 1, 9, 10]))
    assert found.tolist() == pytest.approx([1, 1 / math.log2(3), 1 / math.log2(11), 0])
    assert quality_of(np.array([0, 10])) == (0.5, 0.5)
    assert quality_of(np.array([], dtype=np.int64)) == (0.0, 0.0)


def test_rows_of_one_user_stand_or_fall_together() -> None:
    values = np.array([1.0, 1.0, 0.0, 0.0] * 25)
    apart = mean_over_users(values, [str(at) for at in range(100)], 0)
    together = mean_over_users(values, [str(at // 10) for at in range(100)], 0)
    pairs = mean_over_users(values, [str(at // 2) for at in range(100)], 0)
    assert apart.value == together.value == 0.5
    assert pairs.high - pairs.low > 1.2 * (apart.high - apart.low)  # two equal rows are hardly more than one
