"""What several pages share: months to choose from, long tables in parts, and the way back after a form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from penstock.console.desk import Desk
from penstock.core.clock import Period, period_at
from penstock.core.errors import BadInput
from penstock.pipeline.money import month

ROWS = 100
_WHOLE = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(,[0-9]{3}){1,4}")


@dataclass(frozen=True)
class Months:
    """The month on show and its neighbours; following is None for the present month."""

    shown: Period
    before: Period
    following: Period | None


@dataclass(frozen=True)
class Part:
    """Rows of a long table: number counts from 1."""

    rows: Sequence[Any]
    total: int
    number: int
    last: int


def months(desk: Desk, name: str | None) -> Months:
    """The month of ?period=, or the present one."""
    zone = desk.company.timezone
    shown, present = month(desk.house, name), month(desk.house, None)
    following = period_at(shown.end, zone) if shown.start < present.start else None
    return Months(shown, period_at(shown.start - timedelta(days=1), zone), following)


def part(rows: Sequence[Any], number: int) -> Part:
    """The `number`-th hundred of the rows; the nearest one there is."""
    last = max(1, -(-len(rows) // ROWS))
    shown = min(max(1, number), last)
    return Part(rows[(shown - 1) * ROWS : shown * ROWS], len(rows), shown, last)


def back(path: str, done: str, **query: str) -> Response:
    """To a page that says what was done (a key of words.DONE)."""
    return RedirectResponse(f"{path}?{urlencode({**query, 'done': done})}", status_code=303)


def field(form: Mapping[str, str], name: str) -> str:
    """A field that must be filled in."""
    value = form.get(name, "")
    if not value:
        raise BadInput("this field must be filled in", where=name)
    return value


def whole_number(form: Mapping[str, str], name: str) -> int | None:
    """A whole number, or None when the field is blank."""
    text = form.get(name, "").strip()
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise BadInput(f"{text!r} is not a whole number", where=name, hint="write e.g. 1500 or 1,500")
    return int(text.replace(",", ""))
