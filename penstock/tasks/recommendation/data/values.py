"""Interactions and items as records, read from a file's values. Knows what an id, a time and a weight are; no files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from penstock.core.errors import BadInput

MAX_ID_CHARS = 200
MAX_TEXT_CHARS = 10_000
LATEST = 4_102_444_800.0  # the year 2100: a larger number of seconds is milliseconds, or a mistake


@dataclass(frozen=True, slots=True)
class Interaction:
    """time: seconds since 1970. weight: how much it counts, 1 where the data say nothing."""

    user: str
    item: str
    time: float
    weight: float
    origin: str
    customer: str | None = None

    @property
    def order(self) -> tuple[float, bytes]:
        """By time; at one time by lot, so that neither the order of a file nor that of ids matters."""
        return self.time, lot(self.user, self.item)


@dataclass(frozen=True)
class Item:
    """listed: it may be recommended; items that only interactions name may not."""

    item: str
    title: str
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    listed: bool = True

    @property
    def words(self) -> str:
        """All that is said of it, for a text encoder."""
        said = [self.title, self.text, *(f"{name}: {value}" for name, value in self.attributes.items())]
        return ". ".join(part.strip().rstrip(".") for part in said if part.strip())


def lot(*ids: str) -> bytes:
    """The same draw for the same ids, which their order says nothing of."""
    return blake2b("\0".join(ids).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def id_of(value: Any, where: str) -> str:
    """A user's or an item's id: a text as it is without outer spaces, a whole number in digits. Raises BadInput."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # a column of whole numbers in which some are missing
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        shown = "is missing" if value is None or value == "" else f"must be a text or a whole number, not {value!r}"
        raise BadInput(shown, where=where, hint="every row names its user and its item")
    text = value.strip()
    if len(text) > MAX_ID_CHARS or not text.isprintable():
        raise BadInput(f"is no id: at most {MAX_ID_CHARS} printable characters", where=where)
    return text


def time_of(value: Any, where: str) -> float:
    """Seconds since 1970 of seconds, milliseconds or ISO 8601 (UTC unless it says). Raises BadInput."""
    hint = "write seconds since 1970, or ISO 8601 such as 2026-11-22T09:30:00Z"
    if isinstance(value, datetime):
        seconds = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, date):
        seconds = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and value.strip():
        seconds = _seconds(value.strip(), where, hint)
    else:
        shown = "is missing" if value in (None, "") else f"{value!r} is not a time"
        raise BadInput(shown, where=where, hint=hint)
    if math.isfinite(seconds) and seconds > LATEST and seconds / 1000 < LATEST:
        seconds /= 1000
    if not math.isfinite(seconds) or not 0 <= seconds < LATEST:
        raise BadInput(f"{value!r} is not a time between 1970 and 2100", where=where, hint=hint)
    return seconds


def weight_of(value: Any, where: str) -> float:
    """A number; 1 where nothing is said. Raises BadInput."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 1.0
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{value!r} is not a number", where=where, hint="a weight is a rating, a count or 1") from None
    if math.isnan(number):
        return 1.0
    if not math.isfinite(number) or abs(number) > 1e9:
        raise BadInput(f"{value!r} is no weight", where=where, hint="use a number of at most a thousand million")
    return number


def text_of(value: Any, where: str) -> str:
    """One text of an item; lists are joined, nothing is ''. Raises BadInput."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(text_of(each, where) for each in value)
    text = str(value).strip() if isinstance(value, str | int | float) else None
    if text is None or len(text) > MAX_TEXT_CHARS or "\0" in text:
        raise BadInput(f"must be a text of at most {MAX_TEXT_CHARS:,} characters", where=where)
    return text


def _seconds(text: str, where: str, hint: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is not a time", where=where, hint=hint) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
