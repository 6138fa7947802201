"""Dates as people write them. Whether the day or the month comes first in 05/11/2026 is decided on a whole column.

It knows texts only; rows keep the ISO form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

ORDERS = ("MM/DD/YYYY", "DD/MM/YYYY")
_OTHER_FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%Y年%m月%d日")
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s?(?P<half>[AaPp])?\.?(?(half)[Mm]\.?)"
_TIME = rf"(?:[T,\s]\s?{_CLOCK})?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_NUMERIC = re.compile(rf"(?P<first>\d{{1,2}})(?P<mark>[/-])(?P<other>\d{{1,2}})(?P=mark){_YEAR}{_TIME}")
_NAMED = (
    re.compile(rf"(?P<day>\d{{1,2}})[ -](?P<month>[A-Za-z]{{3,9}})\.?,?[ -](?P<year>\d{{4}}){_TIME}"),
    re.compile(rf"(?P<month>[A-Za-z]{{3,9}})\.? (?P<day>\d{{1,2}}),? (?P<year>\d{{4}}){_TIME}"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGER = ["uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember"]


def date_text(text: str, order: str = "") -> str | None:
    """A date in one of the forms people write, in the form rows keep; None where it is no date.

    order: one of ORDERS, without which dates like 05/11/2026 are not read. A zone is left out: a column keeps one
    clock.
    """
    text = text.strip()
    if not 8 <= len(text) <= 35 and not _NUMERIC.fullmatch(text):
        return None
    moment = _plain(text) or _named(text) or (_ordered(text, order) if order else None)
    if moment is None:
        return None
    whole = moment.hour == moment.minute == moment.second == 0
    return moment.date().isoformat() if whole else moment.replace(microsecond=0, tzinfo=None).isoformat()


def is_date(text: str) -> bool:
    """Whether it reads as a date in some order."""
    return any(date_text(text, order) is not None for order in ("", *ORDERS))


def orders_of(texts: Iterable[str]) -> tuple[str, ...] | None:
    """The orders that read all dates of a column whose day and month are both numbers; None where it has none such."""
    numeric = [text.strip() for text in texts if is_date(text) and date_text(text) is None]
    if not numeric:
        return None
    return tuple(order for order in ORDERS if all(_ordered(text, order) for text in numeric))


def _plain(text: str) -> datetime | None:
    """In a form that says itself what is what."""
    if not text[0].isdigit() or text.isdigit():
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _OTHER_FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _named(text: str) -> datetime | None:
    for pattern in _NAMED:
        found = pattern.fullmatch(text)
        if found is not None:
            month = _month(found["month"].lower())
            return None if month is None else _moment(found, month, int(found["day"]))
    return None


def _month(name: str) -> int | None:
    """Its number, by its English name or the usual short one."""
    for number, (short, rest) in enumerate(zip(_MONTHS, _LONGER, strict=True), 1):
        if name in (short, short + rest) or (name, number) == ("sept", 9):
            return number
    return None


def _ordered(text: str, order: str) -> datetime | None:
    found = _NUMERIC.fullmatch(text)
    if found is None:
        return None
    one, other = int(found["first"]), int(found["other"])
    return _moment(found, *((one, other) if order == ORDERS[0] else (other, one)))


def _moment(found: re.Match[str], month: int, day: int) -> datetime | None:
    year = int(found["year"])
    if year < 100:
        year += 2000 if year < 69 else 1900  # as POSIX reads two digits
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
