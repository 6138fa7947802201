"""Time comes from an injected clock, always in UTC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.core.errors import BadInput

YEARS = range(1970, 3000)  # what every time zone, database and calendar here can hold with room to spare


class Clock(Protocol):
    """Tells the time: an aware datetime in UTC."""

    def now(self) -> datetime: ...

    def shared(self, database: Callable[[], datetime]) -> datetime:
        """The time that all processes on one database agree on, whatever their machines' clocks say."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def shared(self, database: Callable[[], datetime]) -> datetime:
        return database()


@dataclass(frozen=True)
class ShiftedClock:
    """The machine's clock, ahead by `ahead`: it goes on as fast."""

    ahead: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def shared(self, database: Callable[[], datetime]) -> datetime:
        return database() + self.ahead


class SettableClock:
    """A clock that stands still until it is moved: for tests and for closing a month that has not ended."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def shared(self, database: Callable[[], datetime]) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        self._now = moment.astimezone(UTC)

    def advance(self, step: timedelta) -> None:
        self._now += step


@dataclass(frozen=True)
class SkewedClock:
    """A machine's clock that is wrong by `ahead`, beside the true one: for tests."""

    true: Clock
    ahead: timedelta

    def now(self) -> datetime:
        return self.true.now() + self.ahead

    def shared(self, database: Callable[[], datetime]) -> datetime:
        return self.true.shared(database)


@dataclass(frozen=True)
class Period:
    """A calendar month of a company: `start` inclusive, `end` exclusive, both UTC. name is 'YYYY-MM'."""

    name: str
    start: datetime
    end: datetime


def period_of(name: str, timezone: str) -> Period:
    """The month `name` ('2026-11') as it begins and ends in `timezone`."""
    zone = zone_of(timezone)
    try:
        year, month = (int(part) for part in name.split("-"))
        start = datetime(year, month, 1, tzinfo=zone)
        if year not in YEARS:
            raise ValueError
    except (ValueError, OverflowError):
        raise BadInput(f"{name[:20]!r} is not a month", hint="write it as YYYY-MM, e.g. 2026-11") from None
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return Period(f"{year:04d}-{month:02d}", start.astimezone(UTC), end.astimezone(UTC))


def period_at(moment: datetime, timezone: str) -> Period:
    """The month of `timezone` that holds `moment`."""
    local = moment.astimezone(zone_of(timezone))
    return period_of(f"{local.year:04d}-{local.month:02d}", timezone)


def local_text(moment: datetime, timezone: str) -> str:
    """'2026-12-15 00:00 +08:00': a moment as read in `timezone` (IANA), to the minute, with the offset from UTC."""
    local = moment.astimezone(zone_of(timezone)).isoformat(sep=" ", timespec="minutes")
    return f"{local[:16]} {local[16:]}"


def zone_of(timezone: str) -> ZoneInfo:
    """The IANA zone, or BadInput."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"unknown time zone {timezone!r}", hint='use an IANA name, e.g. "Asia/Shanghai"') from None
