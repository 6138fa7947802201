"""Columns that tell which rows belong together or when they came: a random split puts such rows on both sides.

It splits by them where the options say so, and points them out where they do not. It reads columns, not what rows mean.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from penstock.core.errors import BadInput, PenstockError
from penstock.datasets.dates import date_text, is_date
from penstock.datasets.guess import head_of
from penstock.datasets.numbers import PLAIN, number_of
from penstock.datasets.readers import iter_texts
from penstock.datasets.report import Example, Finding
from penstock.datasets.rows import Row
from penstock.datasets.splits import place_of

GROUP_COLUMN, TIME_COLUMN, SPLIT_BY = "group-column", "time-column", "split-by"
Cells = Mapping[str, str]
"""A column: cells by the origin of their row ("file.csv:12")."""

_GROUP_WORDS = frozenset(
    {
        *("user", "member", "customer", "client", "account", "author", "sender", "speaker", "person", "patient"),
        *("student", "household", "device", "visitor", "reader", "session", "conversation", "dialog", "dialogue"),
        *("thread", "chat", "ticket", "order", "case", "document", "doc", "article", "group"),
    }
)
_KIND_WORDS = frozenset(
    {"type", "status", "kind", "class", "category", "segment", "tier", "plan", "country", "language"}
)
_GROUP_SIGNS = ("用户", "客户", "会员", "作者", "会话", "对话", "设备", "患者", "工单", "订单", "账号", "帐号")
_ID = re.compile(r"(?=.*[0-9])[\w.@:/+-]{2,80}")
LEAST_VALUES = 5  # distinct ones; a column of two is a category
LEAST_IDS = 20  # distinct ones of a column whose name does not tell
MOST_PER_VALUE = 50.0  # rows a value, where the name does not tell: more look like a category
LEAST_REPEATED = 0.1  # of the rows share their value with another
MOST_COLUMNS = 20  # looked at, of one file


def column_of(path: Path, column: str) -> Cells:
    """A column of a data file, of the rows that can be read. Raises BadInput where it lacks it."""
    return dict(iter_texts(path, column, readable=True))


def by_group(rows: Sequence[Row], groups: Cells, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, test): all rows of a group on one side, by the group's hash; a row without a group stands alone."""
    names = [groups.get(row.origin, "").strip() or row.origin for row in rows]
    places = {name: place_of(name, seed) for name in names}
    if len(places) == 1:
        hint = "name a column of several groups, or leave `group` out"
        raise BadInput("all rows are of one group", where=rows[0].origin, hint=hint)
    tested = {name for name, place in places.items() if place < share}
    ordered = sorted(places, key=lambda name: places[name])
    if len(tested) in (0, len(ordered)):  # few groups: one on the other side
        tested = set(ordered[:1]) if not tested else set(ordered[:-1])
    train = [row for row, name in zip(rows, names, strict=True) if name not in tested]
    return train, [row for row, name in zip(rows, names, strict=True) if name in tested]


def by_time(rows: Sequence[Row], times: Cells, column: str, share: float) -> tuple[list[Row], list[Row]]:
    """(train, test): the latest rows are tested; rows of one moment stay together. Raises BadInput at file:line for a
    cell that is neither a date nor a number."""
    moments = [_moment(times.get(row.origin, ""), f"{row.origin}: {column}") for row in rows]
    if len({type(each) for each in moments}) > 1:
        hint = "write all of them as dates, or all as numbers"
        raise BadInput("dates and numbers are mixed in the time to split by", where=column, hint=hint)
    ordered: list[str | float] = sorted(moments)
    first = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * (1 - share)))] if ordered else ""
    later = [each >= first for each in moments]  # type: ignore[operator]
    if all(later):
        hint = "leave `time` out"
        raise BadInput("all rows have one time, so none is later than the others", where=column, hint=hint)
    train = [row for row, is_later in zip(rows, later, strict=True) if not is_later]
    return train, [row for row, is_later in zip(rows, later, strict=True) if is_later]


def split_by(
    kind: Literal["group", "time"], column: str, cells: Cells, train: Iterable[str], test: Iterable[str]
) -> Finding:
    """What the rows were split by. train, test: origins."""
    sides = [{cells.get(origin, "").strip() or origin for origin in part} for part in (train, test)]
    if kind == "group":
        told = f"{len(sides[0]):,} groups to train on, {len(sides[1]):,} others to test with"
        return Finding(SPLIT_BY, "test", 1, 0, "no group stands on both sides", (Example(column, told, ""),))
    told = "the latest rows are the test"
    return Finding(SPLIT_BY, "test", 1, 0, "no test row is earlier than a training row", (Example(column, told, ""),))


def columns_beside(path: Path, known: Iterable[str]) -> dict[str, Cells]:
    """The columns of a file that may tell groups or times, without those `known`; none where it cannot be read."""
    try:
        head = head_of(path)
        names = [name for name in head.columns if name and name not in set(known)][:MOST_COLUMNS]
        likely = [name for name in names if _named_group(name) or _ids(head.cells(name)) or _times(head.cells(name))]
        return {name: column_of(path, name) for name in likely}
    except PenstockError:
        return {}


def hints(columns: Mapping[str, Cells], train: Sequence[str], test: Sequence[str]) -> tuple[Finding, ...]:
    """Which columns look like groups that stand on both sides of the split, and which like times. train, test: origins
    of the rows."""
    groups, times = [], []
    for name, cells in columns.items():
        sides = [{value for origin in part if (value := cells.get(origin, "").strip())} for part in (train, test)]
        both, every = sides[0] & sides[1], sides[0] | sides[1]
        values = [value for origin in (*train, *test) if (value := cells.get(origin, "").strip())]
        if _times(values):
            moments = [{date_text(value) or value for value in side} for side in sides]
            if len(every) > 1 and max(moments[0], default="") > min(moments[1], default=""):
                times.append(Example(name, "dates, in train and test mixed", ""))
        elif both and _groups(name, values):
            groups.append(Example(name, f"{len(both):,} of {len(every):,} values are on both sides of the split", ""))
    found = []
    if groups:
        action = f'kept; options.group = "{groups[0].origin}" would keep each value on one side'
        found.append(Finding(GROUP_COLUMN, "train", len(groups), 0, action, tuple(groups)))
    if times:
        action = f'kept; options.time = "{times[0].origin}" would test with the latest rows'
        found.append(Finding(TIME_COLUMN, "train", len(times), 0, action, tuple(times)))
    return tuple(found)


def _groups(name: str, values: Sequence[str]) -> bool:
    """Whether the values of a column look like names of groups of rows."""
    counts = Counter(values)
    repeated = sum(count for count in counts.values() if count > 1)
    if len(counts) < LEAST_VALUES or repeated < LEAST_REPEATED * len(values):
        return False
    return _named_group(name) or (
        len(counts) >= LEAST_IDS and len(values) / len(counts) <= MOST_PER_VALUE and _ids(values)
    )


def _named_group(name: str) -> bool:
    words = _words(name)
    return bool(words & _GROUP_WORDS and not words & _KIND_WORDS) or any(sign in name for sign in _GROUP_SIGNS)


def _words(name: str) -> set[str]:
    """The words of a column's name: userId, user_id and "User ID" hold user and id."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {word.rstrip("s") if len(word) > 3 else word for word in re.split(r"[^a-z]+", apart.lower()) if word}


def _ids(values: Sequence[str]) -> bool:
    """Single words with digits, which are no plain numbers."""
    return bool(values) and all(_ID.fullmatch(value) and number_of(value, PLAIN) is None for value in values[:500])


def _times(values: Sequence[str]) -> bool:
    return len(values) > 1 and all(map(is_date, values[:500]))


def _moment(cell: str, where: str) -> str | float:
    """An ISO date, or a number (a year, a running number)."""
    if not cell.strip():
        raise BadInput("the row has no time to split by", where=where, hint="fill it in, or leave `time` out")
    found = date_text(cell)
    moment = number_of(cell, PLAIN) if found is None else found
    if moment is None:
        hint = "write dates as YYYY-MM-DD"
        raise BadInput(f"{cell[:60]!r} is neither a date nor a number", where=where, hint=hint)
    return moment
