"""How well a detector finds shifts of known size and date, planted into a held-out stream, and how often it cries wolf.

Method: real counts of the held-out part, with seeded changes of one entity for some buckets at a time. It assumes that
planted mentions are scored as the real ones were; how right the sentiment is, its own product's report says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation import trivial as without
from penstock.evaluation.intervals import Metric, bootstrap_rows, metric, wilson
from penstock.evaluation.measured import Chart, Point, Section, Trivial
from penstock.tasks.opinion.model.detector import KINDS, Detector, Kind, Track, episodes, follow, take, track_of
from penstock.tasks.opinion.model.series import Counts, Numbers, Series

PER_KIND = {"volume": 120, "negative": 60, "positive": 60}
AROUND = 28  # buckets on either side that tell how much an entity is usually mentioned
_CHANCE = 1e-12


@dataclass(frozen=True)
class Plan:
    """What is planted: volume times `volume`, shares plus `share`, for `buckets` buckets."""

    volume: float = 3.0
    share: float = 0.3
    buckets: int = 14


@dataclass(frozen=True)
class Planted:
    """A change of one entity from bucket `at` on."""

    entity: int
    kind: Kind
    at: int


@dataclass(frozen=True)
class Found:
    """A planted shift and after how many buckets it was found; None: not while it lasted."""

    planted: Planted
    delay: int | None


@dataclass(frozen=True)
class Replay:
    """What a detector did on a held-out stream. alarms: per entity and kind, (entities, kinds), nothing planted.

    months: of the stream. watched: buckets that counted.
    """

    found: tuple[Found, ...]
    alarms: Counts
    months: float
    watched: int
    plan: Plan


def replay(detector: Detector, series: Series, start: int, plan: Plan, seed: int) -> Replay:
    """Follow `series` from bucket `start` (what comes before only warms up), as it is and with shifts planted.

    An alarm on the stream as it is counts as false, although some will be about real events: an upper bound.
    """
    plain = follow(detector, series)
    alarms = np.array(
        [
            [sum(1 for one in episodes(track) if one.entity == entity and one.first >= start) for track in plain]
            for entity in range(len(series.entities))
        ],
        dtype=np.int64,
    ).reshape(len(series.entities), len(KINDS))
    found: list[Found] = []
    for track in plain:
        shifts = choose(series, track.kind, start, plan, seed)
        found += _find(detector, series, shifts, track, plan, seed)
    watched = series.length - start
    return Replay(tuple(found), alarms, series.months(watched), watched, plan)


def choose(series: Series, kind: Kind, start: int, plan: Plan, seed: int) -> list[Planted]:
    """Entities in turn, dates by chance: the same for every detector on the same stream."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    latest = max(start, series.length - plan.buckets)
    places = random.integers(start, latest + 1, size=PER_KIND[kind])
    return [Planted(number % len(series.entities), kind, int(at)) for number, at in enumerate(places)]


def plant(series: Series, shifts: list[Planted], plan: Plan, seed: int) -> Series:
    """One row per shift: the entity's own counts, changed from the shift's date on."""
    rows = [shift.entity for shift in shifts]
    volume, negative, positive = (counts[rows].copy() for counts in (series.volume, series.negative, series.positive))
    rhythm = _rhythm(series)
    for row, shift in enumerate(shifts):
        random = np.random.default_rng([seed, KINDS.index(shift.kind), row])
        near = slice(max(0, shift.at - AROUND), shift.at + AROUND + 1)
        total = max(1, int(series.volume[shift.entity, near].sum()))
        shares = [counts[shift.entity, near].sum() / total for counts in (series.negative, series.positive)]
        rate = series.volume[shift.entity, near].mean()
        for at in range(shift.at, min(series.length, shift.at + plan.buckets)):
            if shift.kind == "volume":
                more = random.poisson((plan.volume - 1) * rate * rhythm[series.slots[at]])
                bad, good, _ = random.multinomial(more, [*shares, max(0.0, 1 - sum(shares))])
                volume[row, at] += more
                negative[row, at] += bad
                positive[row, at] += good
                continue
            ours, other = (negative, positive) if shift.kind == "negative" else (positive, negative)
            usual = shares[0] if shift.kind == "negative" else shares[1]
            chance = min(1.0, plan.share / max(_CHANCE, 1 - usual))
            neutral = volume[row, at] - ours[row, at] - other[row, at]
            turned, from_neutral = random.binomial(other[row, at], chance), random.binomial(neutral, chance)
            other[row, at] -= turned
            ours[row, at] += turned + from_neutral
    names = tuple(series.entities[row] for row in rows)
    return replace(series, entities=names, volume=volume, negative=negative, positive=positive)


def detection_rate(found: tuple[Found, ...]) -> Metric:
    """The share of shifts found: Wilson's interval, or that of resampled entities where it is wider."""
    hits = np.array([one.delay is not None for one in found], dtype=np.float64)
    by_rows = wilson(int(hits.sum()), len(hits))
    low, high = _by_entity(hits, np.array([one.planted.entity for one in found]))
    return metric(by_rows.value, max(0.0, min(by_rows.low, low)), min(1.0, max(by_rows.high, high)))


def random_alarms(result: Replay) -> Trivial:
    """The detection rate against alarms at random, of each entity and kind as many as the detector gives without any
    shift, spread evenly over the stream. The longer a shift, the more often one meets it."""
    found = np.array([one.delay is not None for one in result.found], dtype=np.float64)
    rates = result.alarms / max(1, result.watched)
    met = 1 - np.exp(-rates * result.plan.buckets)
    chances = np.array([met[one.planted.entity, KINDS.index(one.planted.kind)] for one in result.found])
    return without.compared("detection_rate", without.RANDOM_ALARMS, found, chances, value=float(chances.mean()))


def delay(result: Replay) -> Metric:
    """Mean buckets until a shift is found, the bucket itself being 0; one that is not found counts with its length."""
    waits = np.array([_wait(one, result.plan) for one in result.found], dtype=np.float64)
    low, high = bootstrap_rows(waits, lambda rows: waits[rows].mean(axis=1), 0)
    other_low, other_high = _by_entity(waits, np.array([one.planted.entity for one in result.found]))
    return metric(float(waits.mean()), min(low, other_low), max(high, other_high))


def false_alarms(result: Replay) -> Metric:
    """Alarms per entity-month with nothing planted: the exact Poisson interval (Garwood 1936), or that of resampled
    entities where it is wider."""
    per_entity = result.alarms.sum(axis=1).astype(np.float64)
    exposure = result.months * len(per_entity)
    low, high = poisson_interval(int(per_entity.sum()))
    other_low, other_high = bootstrap_rows(per_entity, lambda rows: per_entity[rows].sum(axis=1), 0)
    value = float(per_entity.sum()) / exposure
    return metric(value, min(low, other_low) / exposure, max(high, other_high) / exposure)


def by_kind(result: Replay) -> Section:
    """What was found of each kind of change."""
    rows, points = [], []
    for kind in KINDS:
        found = tuple(one for one in result.found if one.planted.kind == kind)
        rate = detection_rate(found)
        size = f"× {result.plan.volume:g}" if kind == "volume" else f"+ {result.plan.share:.0%}"
        waits = [one.delay for one in found if one.delay is not None]
        middle = f"{float(np.median(waits)):g}" if waits else "–"
        column = KINDS.index(kind)
        alarms = int(result.alarms[:, column].sum())
        rows.append((kind, size, f"{len(found)}", f"{rate.value:.1%}", middle, f"{alarms}"))
        points.append(Point(kind, rate.value, rate.low, rate.high))
    return Section(
        title="Planted shifts",
        note="Changes of known size and date were planted into the held-out stream, one entity at a time.",
        header=("Kind", "Size", "Planted", "Found", "Median delay (buckets)", "Alarms without any"),
        rows=tuple(rows),
        chart=Chart("bars", "Share found", "Kind", tuple(points)),
        numbers_from=2,
    )


def by_entity(result: Replay, series: Series, start: int) -> Section:
    """What was found of each entity's changes, beside how often it is mentioned."""
    rows = []
    for place, name in enumerate(series.entities):
        found = [one for one in result.found if one.planted.entity == place]
        hits = sum(one.delay is not None for one in found)
        rate = series.volume[place, start:].mean()
        rows.append((name, f"{rate:.2f}", f"{hits} / {len(found)}", f"{int(result.alarms[place].sum())}"))
    return Section(
        title="Detection by entity",
        note="Rare entities change unseen: a doubled rate of one mention a week takes months to show.",
        header=("Entity", "Mentions a bucket", "Found", "Alarms without any"),
        rows=tuple(rows),
    )


def poisson_interval(count: int) -> tuple[float, float]:
    """The exact central 95% interval of a Poisson mean of which `count` were seen."""

    def at_most(mean: float, k: int) -> float:
        terms = np.arange(k + 1)
        logs = terms * math.log(mean) - mean - np.array([math.lgamma(term + 1) for term in terms])
        return float(np.exp(logs).sum())

    low = 0.0 if count == 0 else _bisect(lambda mean: 1 - at_most(mean, count - 1) < 0.025, count)
    return low, _bisect(lambda mean: at_most(mean, count) > 0.025, count)


def _bisect(below: Callable[[float], bool], count: int) -> float:
    low, high = 1e-9, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def _find(
    detector: Detector, series: Series, shifts: list[Planted], plain: Track, plan: Plan, seed: int
) -> list[Found]:
    """An alarm counts for a shift only where there would be none without it."""
    rows = [shift.entity for shift in shifts]
    changed = plant(series, shifts, plan, seed)
    track = track_of(take(detector, rows), changed, plain.kind, detector.limits[plain.kind])
    found = []
    for row, shift in enumerate(shifts):
        span = slice(shift.at, shift.at + plan.buckets)
        new: NDArray[np.int64] = np.flatnonzero(track.alarm[row, span] & ~plain.alarm[shift.entity, span])
        found.append(Found(shift, int(new[0]) if len(new) else None))
    return found


def _rhythm(series: Series) -> Numbers:
    """Factors around 1 by place in the week, of all mentions of the stream itself."""
    days = np.bincount(series.slots).astype(np.float64)
    counts = np.bincount(series.slots, weights=series.volume.sum(axis=0))
    rate = (counts + 1) / (days + 1)
    return np.asarray(rate / ((rate * days).sum() / days.sum()))


def _wait(one: Found, plan: Plan) -> int:
    return plan.buckets if one.delay is None else one.delay


def _by_entity(values: Numbers, entities: NDArray[np.int64]) -> tuple[float, float]:
    """The interval of the mean when entities are drawn, not shifts."""
    names = np.unique(entities)
    sums = np.array([values[entities == name].sum() for name in names])
    sizes = np.array([(entities == name).sum() for name in names], dtype=np.float64)
    return bootstrap_rows(sums, lambda rows: sums[rows].sum(axis=1) / sizes[rows].sum(axis=1), 0)
