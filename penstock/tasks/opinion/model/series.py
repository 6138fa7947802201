"""Counts of mentions by entity and bucket of time, and the calendar they follow. It knows no documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from penstock.core.clock import zone_of
from penstock.core.errors import BadInput

Bucket = Literal["hour", "day"]
Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

DAYS_PER_MONTH = 365.25 / 12
SLOTS: dict[str, int] = {"hour": 168, "day": 7}
"""Places in the week: a season is one number for each."""
PER_DAY: dict[str, int] = {"hour": 24, "day": 1}
MAX_BUCKETS = 200_000  # 22 years of hours: a document from another century must not fill the memory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, eq=False)
class Series:
    """volume, negative, positive: mentions (entities, buckets); what is neither negative nor positive is neutral.

    first: the number of the first bucket. slots: each bucket's place in the week, (buckets,).
    """

    entities: tuple[str, ...]
    bucket: Bucket
    timezone: str
    first: int
    slots: Counts
    volume: Counts
    negative: Counts
    positive: Counts

    @property
    def length(self) -> int:
        return int(self.volume.shape[1])

    def start(self, place: int) -> datetime:
        """When the bucket at `place` begins, UTC."""
        return bucket_start(self.first + place, self.bucket, self.timezone)

    def months(self, buckets: int) -> float:
        """How many months `buckets` are."""
        return buckets / PER_DAY[self.bucket] / DAYS_PER_MONTH


def bucket_number(moment: datetime, bucket: Bucket, timezone: str) -> int:
    """The bucket that holds an aware moment: days are those of the calendar there, hours are counted in UTC."""
    if bucket == "day":
        return moment.astimezone(zone_of(timezone)).toordinal()
    return (moment - _EPOCH) // _HOUR


def bucket_start(number: int, bucket: Bucket, timezone: str) -> datetime:
    """When bucket `number` begins, UTC."""
    if bucket == "day":
        day = date.fromordinal(number)
        return datetime(day.year, day.month, day.day, tzinfo=zone_of(timezone)).astimezone(UTC)
    return _EPOCH + number * _HOUR


def slots_of(first: int, length: int, bucket: Bucket, timezone: str) -> Counts:
    """The place in the local week of each of `length` buckets from `first`: weekday, or weekday * 24 + hour."""
    if bucket == "day":
        return (np.arange(first, first + length, dtype=np.int64) + 6) % 7  # ordinal 1 was a Monday
    zone = zone_of(timezone)
    local = ((_EPOCH + number * _HOUR).astimezone(zone) for number in range(first, first + length))
    return np.fromiter((moment.weekday() * 24 + moment.hour for moment in local), np.int64, length)


def series_of(
    entities: Sequence[str],
    mentions: Iterable[tuple[int, int, int, int]],
    *,
    bucket: Bucket,
    timezone: str,
    first: int,
    last: int,
) -> Series:
    """Add mentions (entity's place, bucket's number, tone -1 | 0 | 1, how many) from bucket `first` to `last`.

    Mentions outside are left out. Raises BadInput when the span is longer than any series kept here.
    """
    length = last - first + 1
    if not 0 < length <= MAX_BUCKETS:
        raise BadInput(f"a series of {length:,} {bucket}s cannot be kept", hint=f"1 to {MAX_BUCKETS:,} {bucket}s")
    rows = np.array(list(mentions), dtype=np.int64).reshape(-1, 4)
    inside = (rows[:, 1] >= first) & (rows[:, 1] <= last)
    places, buckets, tones, many = rows[inside].T
    shape = (len(entities), length)
    flat = places * length + buckets - first

    def count(chosen: npt.NDArray[np.bool_]) -> Counts:
        found = np.bincount(flat[chosen], weights=many[chosen], minlength=shape[0] * shape[1])
        return np.asarray(found.astype(np.int64).reshape(shape))

    return Series(
        entities=tuple(entities),
        bucket=bucket,
        timezone=timezone,
        first=first,
        slots=slots_of(first, length, bucket, timezone),
        volume=count(np.ones(len(flat), dtype=np.bool_)),
        negative=count(tones < 0),
        positive=count(tones > 0),
    )
