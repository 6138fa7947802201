"""Planted shifts: their size is what was said, every detector gets the same, and intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from monitoring.opinion_house import ENTITIES, detector

from penstock.tasks.opinion.measure import (
    Plan,
    choose,
    delay,
    detection_rate,
    false_alarms,
    plant,
    poisson_interval,
    replay,
)
from penstock.tasks.opinion.model.detector import FIXED
from penstock.tasks.opinion.model.series import Series, slots_of

RANDOM = np.random.default_rng(11)
FIRST = 739_000 - (739_000 + 6) % 7


def stream(rate: float = 5.0, days: int = 150) -> Series:
    random = np.random.default_rng(2)
    volume = random.poisson(rate, size=(2, days))
    negative = random.binomial(volume, 0.3)
    positive = random.binomial(volume - negative, 0.4)
    return Series(tuple(ENTITIES), "day", "UTC", FIRST, slots_of(FIRST, days, "day", "UTC"), volume, negative, positive)


def test_planted_volume_is_as_many_times_the_usual_and_nothing_else_changes() -> None:
    series, plan = stream(), Plan(volume=3.0, buckets=14)
    shifts = choose(series, "volume", 40, plan, seed=1)
    planted = plant(series, shifts, plan, seed=1)
    ratios = []
    for row, shift in enumerate(shifts):
        before = series.volume[shift.entity]
        span = slice(shift.at, shift.at + 14)
        assert np.array_equal(np.delete(planted.volume[row], np.r_[span]), np.delete(before, np.r_[span]))
        ratios.append(planted.volume[row, span].sum() / before[span].sum())
    assert 2.7 < np.mean(ratios) < 3.4
    assert (planted.negative + planted.positive <= planted.volume).all()


def test_a_planted_turn_moves_the_share_and_keeps_the_volume() -> None:
    series, plan = stream(rate=20), Plan(share=0.3)
    for kind in ("negative", "positive"):
        shifts = choose(series, kind, 40, plan, seed=1)  # type: ignore[arg-type]
        planted = plant(series, shifts, plan, seed=1)
        moved = []
        for row, shift in enumerate(shifts):
            span = slice(shift.at, shift.at + plan.buckets)
            ours, before = getattr(planted, kind)[row, span], getattr(series, kind)[shift.entity, span]
            moved.append((ours.sum() - before.sum()) / series.volume[shift.entity, span].sum())
            assert np.array_equal(planted.volume[row], series.volume[shift.entity])
        assert 0.25 < np.mean(moved) < 0.35
        assert (planted.negative + planted.positive <= planted.volume).all() and (planted.negative >= 0).all()


def test_great_shifts_are_found_and_the_same_seed_measures_the_same() -> None:
    series, plan = stream(rate=10), Plan(volume=4.0, share=0.5)
    one, two = (replay(detector(), series, 40, plan, seed=3) for _ in range(2))
    assert one.found == two.found
    rate, waited, alarms = detection_rate(one.found), delay(one), false_alarms(one)
    assert rate.value > 0.95 and rate.low <= rate.value <= rate.high <= 1
    assert waited.value < 3
    assert alarms.low <= alarms.value <= alarms.high and alarms.high > 0


def test_a_detector_that_never_rings_finds_nothing_and_waits_to_the_end() -> None:
    deaf = detector(limits={"volume": 1e9, "negative": 1e9, "positive": 1e9})
    result = replay(deaf, stream(), 40, Plan(), seed=3)
    assert detection_rate(result.found).value == 0
    assert delay(result).value == 14
    alarms = false_alarms(result)
    assert alarms.value == 0 and alarms.low == 0 and alarms.high > 0.3  # nothing seen in 7 entity-months proves little


def test_what_rings_anyway_is_not_counted_as_found() -> None:
    always = detector(kind=FIXED, limits={"volume": -100.0, "negative": -100.0, "positive": -100.0})
    result = replay(always, stream(rate=40), 40, Plan(), seed=3)
    assert detection_rate(tuple(one for one in result.found if one.planted.kind == "volume")).value == 0


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)]
)
def test_the_interval_of_a_count_is_garwoods(count: int, low: float, high: float) -> None:
    found = poisson_interval(count)
    assert found == pytest.approx((low, high), rel=2e-3, abs=1e-3)
