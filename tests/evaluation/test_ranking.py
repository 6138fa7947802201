"""Ranked lists: places, gains and intervals, against figures worked out by hand."""

import math

import numpy as np
import pytest

from penstock.evaluation.intervals import Metric
from penstock.tasks.recommendation.ranking import (
    NEVER,
    Places,
    drawn,
    gains,
    mean_over_users,
    place_of,
    places_of,
    quality_of,
    widened,
)


def row(*scores: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(scores, dtype=np.float32)


def where(above: list[int], tied: list[int] | None = None) -> Places:
    return Places(np.array(above, dtype=np.int64), np.array(tied or [0] * len(above), dtype=np.int64))


def test_the_place_counts_what_is_better_and_what_is_level() -> None:
    scores = row(0.5, 0.9, 0.5, -math.inf, 0.1)
    assert [place_of(scores, target) for target in range(5)] == [(1, 1), (0, 0), (1, 1), (NEVER, 0), (3, 0)]


def test_a_target_that_is_no_item_is_never_found() -> None:
    found = places_of(np.stack([row(1, 2), row(1, 2)]), np.array([-1, 0]))
    assert (found.above.tolist(), found.tied.tolist()) == ([NEVER, 1], [0, 0])


def test_ndcg_at_10_gains_by_place_and_nothing_from_the_eleventh_on() -> None:
    found = gains(where([0, 1, 9, 10, NEVER]))
    assert found.tolist() == pytest.approx([1, 1 / math.log2(3), 1 / math.log2(11), 0, 0])
    assert quality_of(where([0, 10])) == (0.5, 0.5)
    assert quality_of(where([])) == (0.0, 0.0)


def test_level_items_count_with_the_mean_over_their_orders() -> None:
    scores = row(*[0.5] * 20, 0.9)
    found = places_of(np.stack([scores] * 20), np.arange(20))
    assert gains(found).tolist() == pytest.approx([sum(1 / math.log2(at + 2) for at in range(1, 10)) / 20] * 20)
    assert found.within(10).tolist() == pytest.approx([9 / 20] * 20)


def test_the_order_of_items_changes_no_figure() -> None:
    chance = np.random.default_rng(0)
    scores = chance.integers(0, 3, (40, 30)).astype(np.float32)
    targets = chance.integers(0, 30, 40)
    order = chance.permutation(30)
    one, other = places_of(scores, targets), places_of(scores[:, order], np.argsort(order)[targets])
    assert quality_of(one) == pytest.approx(quality_of(other))


def test_what_ties_decide_stands_in_the_interval() -> None:
    chance = np.random.default_rng(0)
    scores, lots = np.zeros(20, dtype=np.float32), chance.random((64, 20))
    places = drawn(scores, 3, lots)
    assert 0 <= places.min() < 4 and 15 < places.max() < 20
    sure = Metric(0.5, 0.45, 0.55)
    assert widened(sure, np.full(64, 0.5)) == sure
    wide = widened(sure, (places < 10).astype(np.float64))
    assert wide.value == 0.5
    assert wide.low < 0.1 and wide.high > 0.9
    assert drawn(row(0.5, 0.9, 0.1), 0, chance.random((4, 3))).tolist() == [1] * 4


def test_rows_of_one_user_stand_or_fall_together() -> None:
    values = np.array([1.0, 1.0, 0.0, 0.0] * 25)
    apart = mean_over_users(values, [str(at) for at in range(100)], 0)
    together = mean_over_users(values, [str(at // 10) for at in range(100)], 0)
    pairs = mean_over_users(values, [str(at // 2) for at in range(100)], 0)
    assert apart.value == together.value == 0.5
    assert pairs.high - pairs.low > 1.2 * (apart.high - apart.low)  # two equal rows are hardly more than one
