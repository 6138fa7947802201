"""What a detector learns from history: the week's rhythm, the scatter, and limits for a wanted rate of false alarms.

Numbers in, a detector out. numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from penstock.tasks.opinion.model.detector import (
    CUSUM,
    FIXED,
    KINDS,
    LONGEST_DAYS,
    Detector,
    Kind,
    baseline,
    counted,
    increments,
    run,
    trailing_share,
    warm_up,
)
from penstock.tasks.opinion.model.series import DAYS_PER_MONTH, PER_DAY, SLOTS, Numbers, Series

PRIOR_MENTIONS = 30.0  # a slot of the week weighs the entity's own rhythm from about so many mentions
BLOCK_DAYS = 14  # of the bootstrap: long enough for the bursts that real news come in
REPLICATES = 24
REPLICATE_DAYS = 365
MOST_DISPERSION = 0.5  # a very bursty entity must not become deaf: on dated headlines 0.25 to 0.5 find more than 1
MOST_SPREAD = 10.0
_STEPS = 40


def fit(kind: str, series: Series, false_alarms_per_month: float, seed: int) -> Detector:
    """A detector whose false alarms of all kinds, on history like this, come to the wanted rate per entity-month."""
    season = _season(series)
    detector = Detector(
        kind=kind,
        entities=series.entities,
        bucket=series.bucket,
        timezone=series.timezone,
        season=season,
        dispersion=np.zeros(len(series.entities)),
        spread=np.ones(len(series.entities)),
        shares={name: _share(series, name) for name in KINDS[1:]},
        mean=series.volume.mean(axis=1),
        limits=dict.fromkeys(KINDS, 0.0),
    )
    detector = replace(detector, dispersion=_dispersion(detector, series))
    detector = replace(detector, spread=_spread(detector, series))
    wanted = false_alarms_per_month / len(KINDS)
    return replace(detector, limits={name: limit(detector, series, name, wanted, seed) for name in KINDS})


def limit(detector: Detector, series: Series, kind: Kind, wanted_per_month: float, seed: int) -> float:
    """The lowest limit whose alarms on history, by a block bootstrap of its buckets, are no more than wanted.

    Künsch 1989: blocks of two weeks of one entity, drawn with replacement and put end to end into years, so that
    bursts stay together. All entities share a limit: what differs among them is in the statistic already.
    """
    steps = increments(detector, series, kind)[0][:, warm_up(detector.bucket) :]
    per_day = PER_DAY[detector.bucket]
    block, length = BLOCK_DAYS * per_day, REPLICATE_DAYS * per_day
    rows = _blocks(steps, block, length, seed)
    months = rows.shape[1] / per_day / DAYS_PER_MONTH * len(rows)
    low, high = 0.0, max(1.0, float(np.abs(steps).max()) * 20)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _begun(detector, rows, middle) / months <= wanted_per_month:
            high = middle
        else:
            low = middle
        if high - low < 0.02:
            break
    return round(high, 3)


def _begun(detector: Detector, rows: Numbers, value: float) -> int:
    """How many alarms begin on rows of steps."""
    if detector.kind == FIXED:
        alarm = rows > value
    else:
        longest = LONGEST_DAYS[detector.bucket] * PER_DAY[detector.bucket]
        alarm = run(rows, value, longest)[1]
    return int((alarm[:, 1:] & ~alarm[:, :-1]).sum() + alarm[:, 0].sum())


def _blocks(steps: Numbers, block: int, length: int, seed: int) -> Numbers:
    """REPLICATES rows per entity (at most 240), each of blocks of that entity's own steps."""
    random = np.random.default_rng(seed)
    entities, n = steps.shape
    block = min(block, n)
    per_entity = max(2, min(REPLICATES, 240 // entities))
    pieces = -(-length // block)
    rows = []
    for entity in range(entities):
        starts = random.integers(0, n - block + 1, size=(per_entity, pieces))
        places = (starts[:, :, None] + np.arange(block)).reshape(per_entity, -1)
        rows.append(steps[entity][places])
    return np.concatenate(rows)


def _season(series: Series) -> Numbers:
    """Factors (entities, slots) around 1: the rhythm of all mentions, drawn towards the entity's own."""
    slots = SLOTS[series.bucket]
    days = np.bincount(series.slots, minlength=slots).astype(np.float64)
    pooled = _factors(_by_slot(series.volume.sum(axis=0, keepdims=True), series.slots, slots), days, PRIOR_MENTIONS)[0]
    own = _by_slot(series.volume, series.slots, slots)
    expected = series.volume.sum(axis=1, keepdims=True) * (pooled * days / (pooled * days).sum())
    factors = pooled * (own + PRIOR_MENTIONS) / (expected + PRIOR_MENTIONS)
    return np.asarray(_centred(factors, days).round(5))


def _by_slot(volume: np.ndarray, places: np.ndarray, slots: int) -> Numbers:
    return np.stack([np.bincount(places, weights=row, minlength=slots) for row in volume])


def _factors(counts: Numbers, days: Numbers, prior: float) -> Numbers:
    """Rates by slot over the mean rate; an hour of the week leans on its hour of the day where it has few."""
    rate = counts.sum(axis=1, keepdims=True) / max(days.sum(), 1.0)
    return _centred((counts + prior * rate) / (np.maximum(days, 1e-9) * rate + prior * rate), days)


def _centred(factors: Numbers, days: Numbers) -> Numbers:
    kept = np.maximum(factors, 0.05)
    centred: Numbers = kept / ((kept * days).sum(axis=1, keepdims=True) / days.sum())
    return centred


def _share(series: Series, kind: Kind) -> Numbers:
    """The usual share of a kind (entities,), drawn towards that of all entities by ten mentions."""
    seen, total = counted(series, kind).sum(axis=1), series.volume.sum(axis=1)
    pooled = seen.sum() / max(1, total.sum())
    return np.asarray((seen + 10 * pooled) / (total + 10))


def _dispersion(detector: Detector, series: Series) -> Numbers:
    """By moments: the dispersion (entities,) at which Pearson's statistic equals its degrees of freedom."""
    warm = warm_up(detector.bucket)
    if detector.kind == FIXED:
        mean = np.maximum(series.volume.mean(axis=1), 1e-9)
        return np.asarray(np.clip((series.volume.var(axis=1) - mean) / mean**2, 0, None))
    found = np.zeros(len(series.entities))
    for _ in range(2):  # the baseline caps its counts by the dispersion, so the second round sees the final one
        mean = baseline(series, detector.season[:, series.slots], found)[:, warm:]
        found = np.array([_moments(count, m) for count, m in zip(series.volume[:, warm:], mean, strict=True)])
    return found


def _moments(count: np.ndarray, mean: Numbers) -> float:
    low, high = 0.0, MOST_DISPERSION
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if ((count - mean) ** 2 / (mean + middle * mean**2)).mean() > 1:
            low = middle
        else:
            high = middle
    return round(high, 6)


def _spread(detector: Detector, series: Series) -> Numbers:
    """How much more shares vary than binomially (entities,): the larger over negative and positive, at least 1."""
    warm = warm_up(detector.bucket)
    found = np.ones(len(series.entities))
    for kind in KINDS[1:]:
        seen = counted(series, kind)
        share = trailing_share(series, seen, detector.shares[kind])
        pearson = (seen - series.volume * share) ** 2 / np.maximum(series.volume * share * (1 - share), 1e-9)
        for entity in range(len(found)):
            some = series.volume[entity, warm:] > 0
            if some.sum() >= 20:
                found[entity] = max(found[entity], float(pearson[entity, warm:][some].mean()))
    return np.minimum(found, MOST_SPREAD).round(4)


def describe(detector: Detector) -> tuple[str, ...]:
    """How it was calibrated, for people."""
    limits: Mapping[str, float] = detector.limits
    shown = ", ".join(f"{kind} {limits[kind]:.2f}" for kind in KINDS)
    what = "seasonal negative-binomial CUSUM" if detector.kind == CUSUM else "fixed threshold in standard deviations"
    return (f"{what}, limits: {shown}", f"median dispersion {float(np.median(detector.dispersion)):.3g}")
