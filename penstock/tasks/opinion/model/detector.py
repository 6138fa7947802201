"""When a series of mentions leaves its usual course: a seasonal likelihood-ratio CUSUM, and a fixed threshold.

Numbers in, alarms out; numpy alone, so that what was calibrated in training is what watches in use. The same series
always gives the same alarms: nothing is remembered between two looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from penstock.core.errors import Broken
from penstock.tasks.opinion.model.series import PER_DAY, SLOTS, Bucket, Counts, Numbers, Series

Kind = Literal["volume", "negative", "positive"]
KINDS: tuple[Kind, ...] = ("volume", "negative", "positive")

CUSUM, FIXED = "seasonal-cusum.v1", "fixed-threshold.v1"

RISE = 3.0  # times the usual volume: what the chart is tuned to; on dated headlines it finds more than 2, of any size
ODDS = 3.0  # the rise in the odds of a negative (positive) mention that it is tuned to; 1.5 to 4 find alike
BASELINE_DAYS = {"hour": 28, "day": 56}
GUARD_DAYS = {"hour": 1, "day": 7}  # the newest days are kept out of the baseline: a shift must not hide itself
WARM_UP_DAYS = {"hour": 7, "day": 14}
LONGEST_DAYS = {"hour": 7, "day": 28}  # an alarm that lasts so long has become the usual course
LEAST_MENTIONS = 3  # one or two documents are no spike, however rare the entity
LEAST_RATE = 0.02  # mentions a day: below it nothing is usual
PRIOR_MENTIONS = 10.0  # the weight of the history's share beside the baseline's own mentions
_SHARE_RANGE = (0.02, 0.98)


@dataclass(frozen=True, eq=False)
class Detector:
    """What was learned of the entities' usual course. Arrays have a row per entity.

    season: (entities, slots) factors around 1. dispersion: of the negative binomial, var = mean + dispersion * mean^2
    . spread: how much more shares vary than a coin's, >= 1. shares: usual share of negative and of positive
    mentions. mean: usual mentions a bucket, for the fixed threshold. limits: what the statistic may reach, by kind.
    """

    kind: str
    entities: tuple[str, ...]
    bucket: Bucket
    timezone: str
    season: Numbers
    dispersion: Numbers
    spread: Numbers
    shares: Mapping[str, Numbers]
    mean: Numbers
    limits: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Track:
    """One kind of change followed along a series; all arrays are (entities, buckets). alarm: it stands now."""

    kind: Kind
    observed: Counts
    expected: Numbers
    statistic: Numbers
    alarm: npt.NDArray[np.bool_]
    onset: Counts


@dataclass(frozen=True)
class Episode:
    """An alarm from its first bucket to its last, both inside; onset: where the change seems to have begun.

    observed, expected: mentions of the kind from the onset to the last bucket.
    """

    entity: int
    kind: Kind
    onset: int
    first: int
    last: int
    observed: int
    expected: float
    statistic: float


def follow(detector: Detector, series: Series, starts: Counts | None = None) -> tuple[Track, ...]:
    """Every kind of change along a series of the detector's entities. starts: the bucket from which each entity is
    watched, (entities,); its first weeks only teach. None: all from the first.

    CUSUM: Page 1954 on the likelihood ratio of a trebled rate, negative binomial with a seasonal mean that follows
    the last weeks, as Höhle and Paul 2008 (Computational Statistics & Data Analysis 52) for case counts; shares by
    the binomial one of Steiner et al. 2000. Fixed: a bucket beyond mean + limit * standard deviation.
    """
    _check(detector, series)
    return tuple(track_of(detector, series, kind, detector.limits[kind], starts) for kind in KINDS)


def track_of(detector: Detector, series: Series, kind: Kind, limit: float, starts: Counts | None = None) -> Track:
    """One kind of change, judged by `limit`."""
    steps, expected = increments(detector, series, kind, starts)
    begin = (np.zeros(len(steps), dtype=np.int64) if starts is None else starts) + warm_up(detector.bucket)
    steps[np.arange(series.length)[None, :] < begin[:, None]] = 0.0
    observed = counted(series, kind)
    if detector.kind == FIXED:
        beyond = (steps > limit) & (observed >= LEAST_MENTIONS)
        place = np.broadcast_to(np.arange(series.length), beyond.shape)
        return Track(kind, observed, expected, steps, beyond, place)
    statistic, alarm, onset = run(steps, limit, LONGEST_DAYS[detector.bucket] * PER_DAY[detector.bucket], observed)
    return Track(kind, observed, expected, statistic, alarm, onset)


def increments(detector: Detector, series: Series, kind: Kind, starts: Counts | None = None) -> tuple[Numbers, Numbers]:
    """What each bucket says for a change (entities, buckets), and the mentions of the kind expected in it."""
    season = detector.season[:, series.slots]
    if detector.kind == FIXED:
        return _fixed(detector, series, kind)
    if kind == "volume":
        mean = baseline(series, season, detector.dispersion, starts)
        return _risen(series.volume, mean, detector.dispersion[:, None]), mean
    seen = counted(series, kind)
    share = trailing_share(series, seen, detector.shares[kind])
    raised = ODDS * share / (1 - share + ODDS * share)
    gain = seen * np.log(raised / share) + (series.volume - seen) * np.log((1 - raised) / (1 - share))
    return gain / detector.spread[:, None], share * series.volume


def counted(series: Series, kind: Kind) -> Counts:
    """The mentions that a kind of change counts."""
    return {"volume": series.volume, "negative": series.negative, "positive": series.positive}[kind]


def warm_up(bucket: Bucket) -> int:
    """Buckets at a series' beginning that are only learned from."""
    return WARM_UP_DAYS[bucket] * PER_DAY[bucket]


def run(
    steps: Numbers, limit: float | Numbers, longest: int, observed: Counts | None = None
) -> tuple[Numbers, npt.NDArray[np.bool_], Counts]:
    """Page's chart on steps (rows, n): statistic, whether an alarm stands, and where the present climb began.

    An alarm begins at the limit and stands until the statistic is back at zero, or for `longest` buckets; meanwhile
    the statistic is held at the limit, so that a great shift is over soon after it ends. What lasted `longest` rings
    no more until the steps of some days come out at nothing: the baseline has then caught up. With `observed`, an
    alarm also needs LEAST_MENTIONS since the climb began.
    """
    rows, n = steps.shape
    limits = np.broadcast_to(np.asarray(limit, dtype=np.float64), (rows,))
    value, age, began = np.zeros(rows), np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    mentions = np.zeros(rows, dtype=np.int64)
    standing, settled = np.zeros(rows, dtype=np.bool_), np.ones(rows, dtype=np.bool_)
    recent, memory = np.zeros(rows), max(1.0, longest / 4)
    statistic, alarm = np.zeros((rows, n)), np.zeros((rows, n), dtype=np.bool_)
    onset = np.zeros((rows, n), dtype=np.int64)
    for at in range(n):
        resting = value <= 0
        began[resting] = at
        mentions[resting] = 0
        recent += (steps[:, at] - recent) / memory
        settled |= recent <= 0
        value = np.where(settled, np.maximum(0.0, value + steps[:, at]), 0.0)
        if observed is not None:
            mentions += observed[:, at]
        statistic[:, at], onset[:, at] = value, began
        reached = (value >= limits) & ((mentions >= LEAST_MENTIONS) if observed is not None else True)
        age = np.where(standing, age + 1, 0)
        standing = (standing | reached) & (value > 0)
        over = standing & (age >= longest)
        standing &= ~over
        settled &= ~over
        value = np.where(over, 0.0, np.where(standing, np.minimum(value, limits), value))
        alarm[:, at] = standing
    return statistic, alarm, onset


def episodes(track: Track) -> list[Episode]:
    """The alarms of a track, by entity and time."""
    found = []
    for entity, row in enumerate(track.alarm):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
        for first, end in edges.reshape(-1, 2):
            onset = int(track.onset[entity, first])
            span = slice(onset, end)
            found.append(
                Episode(
                    entity=entity,
                    kind=track.kind,
                    onset=onset,
                    first=int(first),
                    last=int(end) - 1,
                    observed=int(track.observed[entity, span].sum()),
                    expected=float(track.expected[entity, span].sum()),
                    statistic=float(track.statistic[entity, first:end].max()),
                )
            )
    return found


def take(detector: Detector, rows: Sequence[int]) -> Detector:
    """The detector of some of its entities, by place; one may be taken several times."""
    places = list(rows)
    return replace(
        detector,
        entities=tuple(detector.entities[place] for place in places),
        season=detector.season[places],
        dispersion=detector.dispersion[places],
        spread=detector.spread[places],
        shares={kind: share[places] for kind, share in detector.shares.items()},
        mean=detector.mean[places],
    )


def baseline(series: Series, season: Numbers, dispersion: Numbers, starts: Counts | None = None) -> Numbers:
    """Expected mentions (entities, buckets): the rate of the last weeks, without the newest days, times the season.

    After the first weeks, counts above mean + 3 standard deviations enter the rate as that much (after Farrington et
    al. 1996, who give past outbreaks less weight), so that yesterday's storm does not hide tomorrow's; unless the
    newest days are all so, which is no storm any more.
    """
    per_day = PER_DAY[series.bucket]
    window, guard = BASELINE_DAYS[series.bucket] * per_day, GUARD_DAYS[series.bucket] * per_day
    least = LEAST_RATE / per_day
    entities, n = series.volume.shape
    begin = np.zeros(entities, dtype=np.int64) if starts is None else starts
    learned = begin + warm_up(series.bucket)
    kept, exposed = np.zeros((entities, n + 1)), np.zeros((entities, n + 1))  # sums over [0, t)
    mean = np.zeros((entities, n))
    for at in range(n):
        end = max(0, at - guard)
        start = max(0, end - window)
        few = begin > end - per_day  # the first days have only themselves
        counts = np.where(few, kept[:, at], kept[:, end] - kept[:, start])
        exposure = np.where(few, exposed[:, at], exposed[:, end] - exposed[:, start])
        mean[:, at] = np.maximum(counts / np.maximum(exposure, 1e-9), least) * season[:, at]
        lately = np.median(series.volume[:, max(0, at - guard + 1) : at + 1], axis=1)
        most = np.maximum(lately, mean[:, at] + 3 * np.sqrt(mean[:, at] + dispersion * mean[:, at] ** 2))
        most = np.maximum(1.0, most)
        count = np.where(at < learned, series.volume[:, at], np.minimum(series.volume[:, at], most))
        kept[:, at + 1] = kept[:, at] + count
        exposed[:, at + 1] = exposed[:, at] + np.where(at < begin, 0.0, season[:, at])
    return mean


def trailing_share(series: Series, seen: Counts, usual: Numbers) -> Numbers:
    """The share of mentions of a kind (entities, buckets) over the last weeks, without the newest days."""
    per_day = PER_DAY[series.bucket]
    window, guard = BASELINE_DAYS[series.bucket] * per_day, GUARD_DAYS[series.bucket] * per_day
    places = np.arange(series.length)
    end = np.maximum(0, places - guard)
    start = np.maximum(0, end - window)

    def over(counts: Counts) -> Numbers:
        total = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)
        found: Numbers = total[:, end] - total[:, start]
        return found

    share = (over(seen) + PRIOR_MENTIONS * usual[:, None]) / (over(series.volume) + PRIOR_MENTIONS)
    return np.asarray(np.clip(share, *_SHARE_RANGE))


def _risen(count: Counts, mean: Numbers, dispersion: Numbers) -> Numbers:
    """ln of how much likelier a count is at RISE times the mean: negative binomial, Poisson where dispersion is 0."""
    size = 1 / np.maximum(dispersion, 1e-6)
    gain: Numbers = count * np.log(RISE) - (count + size) * np.log((size + RISE * mean) / (size + mean))
    return gain


def _fixed(detector: Detector, series: Series, kind: Kind) -> tuple[Numbers, Numbers]:
    """Standard deviations above the history's mean, the same on every day."""
    if kind == "volume":
        mean = np.maximum(detector.mean, LEAST_RATE / PER_DAY[series.bucket])[:, None]
        expected = np.broadcast_to(mean, series.volume.shape)
        deviation = np.sqrt(mean + detector.dispersion[:, None] * mean**2)
        return (series.volume - expected) / deviation, expected.copy()
    share = np.clip(detector.shares[kind], *_SHARE_RANGE)[:, None]
    expected = share * series.volume
    variance = np.maximum(series.volume * share * (1 - share) * detector.spread[:, None], 1e-9)
    return np.where(series.volume > 0, (counted(series, kind) - expected) / np.sqrt(variance), 0.0), expected


def _check(detector: Detector, series: Series) -> None:
    if (series.entities, series.bucket) != (detector.entities, detector.bucket):
        raise Broken("the series and the detector are not of the same entities and buckets")


def to_json(detector: Detector) -> dict[str, Any]:
    """JSON values only."""
    return {
        "kind": detector.kind,
        "entities": list(detector.entities),
        "bucket": detector.bucket,
        "timezone": detector.timezone,
        "season": detector.season.tolist(),
        "dispersion": detector.dispersion.tolist(),
        "spread": detector.spread.tolist(),
        "shares": {kind: share.tolist() for kind, share in detector.shares.items()},
        "mean": detector.mean.tolist(),
        "limits": dict(detector.limits),
    }


def from_json(content: Mapping[str, Any], where: str) -> Detector:
    """The inverse of to_json. Raises Broken when it is not a detector."""
    try:
        rows = len(content["entities"])
        detector = Detector(
            kind=str(content["kind"]),
            entities=tuple(content["entities"]),
            bucket=content["bucket"],
            timezone=str(content["timezone"]),
            season=np.array(content["season"], dtype=np.float64).reshape(rows, SLOTS[content["bucket"]]),
            dispersion=_row(content["dispersion"], rows),
            spread=_row(content["spread"], rows),
            shares={kind: _row(content["shares"][kind], rows) for kind in KINDS[1:]},
            mean=_row(content["mean"], rows),
            limits={kind: float(content["limits"][kind]) for kind in KINDS},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"this is not a detector: {error}", where=where) from None
    if detector.kind not in (CUSUM, FIXED) or not np.isfinite(detector.season).all() or (detector.season <= 0).any():
        raise Broken("this is not a detector that is known", where=where)
    return detector


def _row(values: Any, rows: int) -> Numbers:
    found = np.array(values, dtype=np.float64).reshape(rows)
    if not np.isfinite(found).all():
        raise ValueError("a number is not finite")
    return found
