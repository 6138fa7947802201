"""Detection: shifts are found, the week's rhythm is not one, and nothing depends on when one looks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from monitoring.opinion_house import detector

from penstock.core.errors import BadInput, Broken
from penstock.tasks.opinion.model.detector import FIXED, Episode, episodes, follow, from_json, run, take, to_json
from penstock.tasks.opinion.model.series import Series, bucket_number, bucket_start, series_of, slots_of

MONDAY = 739_000 - (739_000 + 6) % 7


def series(volume: Any, negative: Any = None, bucket: str = "day") -> Series:
    """Of one entity (a second one stays silent)."""
    volume = np.stack([np.asarray(volume), np.zeros(len(volume), dtype=int)]).astype(np.int64)
    bad = np.zeros_like(volume) if negative is None else np.stack([np.asarray(negative), np.zeros(len(negative), int)])
    first = MONDAY if bucket == "day" else bucket_number(bucket_start(MONDAY, "day", "UTC"), "hour", "UTC")
    slots = slots_of(first, volume.shape[1], bucket, "UTC")  # type: ignore[arg-type]
    return Series(("Harbour Air", "Tidebank"), bucket, "UTC", first, slots, volume, bad, volume * 0)  # type: ignore[arg-type]


def found(one: Series, kind: str = "volume", **changes: Any) -> list[Episode]:
    [track] = [track for track in follow(detector(one.bucket, **changes), one) if track.kind == kind]
    return episodes(track)


def test_a_doubled_volume_is_found_within_days_and_its_beginning_is_told() -> None:
    volume = np.full(60, 4)
    volume[40:50] = 9
    [episode] = found(series(volume))
    assert (episode.entity, episode.onset) == (0, 40)
    assert 40 <= episode.first <= 43 and 49 <= episode.last <= 56
    assert episode.observed > 1.7 * episode.expected


def test_a_single_great_day_is_found_on_that_day_and_over_soon() -> None:
    volume = np.full(60, 4)
    volume[40] = 30
    [episode] = found(series(volume))
    assert episode.first == 40 and episode.last <= 44


def test_a_rhythm_of_the_week_is_no_shift_once_it_is_known() -> None:
    week = np.array([8, 6, 6, 6, 8, 1, 1])
    volume = np.tile(week, 10)
    known = np.stack([week / week.mean()] * 2)
    assert found(series(volume), season=known) == []


def test_a_turn_of_sentiment_is_found_while_volume_stays() -> None:
    volume, negative = np.full(60, 6), np.tile([2, 1, 2, 2, 2, 1], 10)
    negative[42:] = 5
    [episode] = found(series(volume, negative), "negative")
    assert 42 <= episode.first <= 45
    assert found(series(volume, negative)) == []


def test_what_lasts_a_month_has_become_usual_and_does_not_ring_for_ever() -> None:
    volume = np.concatenate([np.full(40, 4), np.full(160, 8)])
    rung = sum(episode.last - episode.first + 1 for episode in found(series(volume)))
    assert rung <= 100 and found(series(volume))[-1].last < 195


def test_two_documents_are_no_spike_however_rare_the_entity() -> None:
    volume = np.zeros(80, dtype=int)
    volume[60:62] = 1
    assert found(series(volume)) == []
    volume[60:62] = 3
    assert len(found(series(volume))) == 1


def test_an_entity_watched_only_since_later_is_learned_first() -> None:
    volume = np.concatenate([np.zeros(40, dtype=int), np.full(40, 5)])
    one = series(volume)
    assert len(found(one)) == 1
    late = follow(detector(), one, np.array([40, 0]))[0]
    assert episodes(late) == []


def test_looking_a_day_later_changes_nothing_of_the_past() -> None:
    random = np.random.default_rng(3)
    volume = random.poisson(4, size=90)
    volume[50:58] += 8
    whole = follow(detector(), series(volume))[0]
    for day in (60, 75, 89):
        part = follow(detector(), series(volume[:day]))[0]
        assert np.array_equal(part.alarm, whole.alarm[:, :day])
        assert np.array_equal(part.statistic, whole.statistic[:, :day])


def test_entities_do_not_disturb_each_other() -> None:
    random = np.random.default_rng(4)
    volume = random.poisson(3, size=(2, 70)).astype(np.int64)
    volume[1, 40:] *= 4
    both = replace(series(volume[0]), volume=volume)
    alone = replace(
        both,
        entities=both.entities[1:],
        **{name: getattr(both, name)[1:] for name in ("volume", "negative", "positive")},
    )
    many = follow(detector(), both)[0]
    one = follow(take(detector(), [1]), alone)[0]
    assert np.array_equal(many.alarm[1], one.alarm[0])


def test_hours_have_a_rhythm_of_their_own() -> None:
    hours = np.tile(np.concatenate([np.zeros(8, int), np.full(12, 3), np.ones(4, int)]), 20)
    season = np.tile(np.concatenate([np.full(8, 0.05), np.full(12, 1.8), np.full(4, 0.6)]), 7)
    calm = series(hours, bucket="hour")
    known = np.stack([season / season.mean()] * 2)
    assert found(calm, season=known) == []
    loud = hours.copy()
    loud[400:406] += 12
    [episode] = found(series(loud, bucket="hour"), season=known)
    assert 400 <= episode.first <= 402


def test_a_fixed_threshold_rings_on_every_day_beyond_it() -> None:
    volume = np.full(60, 4)
    volume[[40, 41, 45]] = 14
    fixed = follow(detector(kind=FIXED), series(volume))[0]
    assert [(episode.first, episode.last) for episode in episodes(fixed)] == [(40, 41), (45, 45)]


def test_pages_chart_is_the_textbook_recursion() -> None:
    steps = np.array([[1.0, 2.0, -4.0, 3.0, 3.0, -1.0, -9.0]])
    statistic, alarm, onset = run(steps, 5.0, longest=100)
    assert statistic.tolist() == [[1.0, 3.0, 0.0, 3.0, 6.0, 4.0, 0.0]]
    assert alarm.tolist() == [[False, False, False, False, True, True, False]]
    assert onset[0, 4] == 3


def test_a_detector_survives_json_and_a_damaged_one_is_refused() -> None:
    known = detector()
    content = json.loads(json.dumps(to_json(known)))
    again = from_json(content, "artifact")
    assert to_json(again) == to_json(known)
    for change in (
        {"season": [[1.0]]},
        {"kind": "other"},
        {"limits": {}},
        {"mean": [float("nan"), 1]},
        {"bucket": "week"},
    ):
        with pytest.raises(Broken):
            from_json({**content, **change}, "artifact")


def test_days_are_those_of_the_calendar_there_and_hours_are_exact() -> None:
    start = bucket_start(MONDAY, "day", "Asia/Shanghai")
    assert (start.hour, start.utcoffset().total_seconds()) == (16, 0)  # type: ignore[union-attr]
    assert bucket_number(start, "day", "Asia/Shanghai") == MONDAY
    assert slots_of(MONDAY, 8, "day", "UTC").tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    hour = bucket_number(start, "hour", "Asia/Shanghai")
    assert slots_of(hour, 2, "hour", "Asia/Shanghai").tolist() == [0, 1]
    with pytest.raises(BadInput):
        series_of(("a",), [], bucket="day", timezone="UTC", first=0, last=10**7)
