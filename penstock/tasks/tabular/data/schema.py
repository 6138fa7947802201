"""What the columns of a table are, learned from its rows, kept in the artifact, and asked of every input.

It knows typed values (numbers, texts, dates as ISO text, None for missing), neither files nor models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from penstock.core.errors import Broken

Value: TypeAlias = float | str | None
Values: TypeAlias = Mapping[str, Value]
Kind = Literal["number", "category", "date"]

EPOCH = date(2000, 1, 1).toordinal()


@dataclass(frozen=True)
class Column:
    """An input. categories: those seen in training, sorted. low, high: of numbers, or of dates in days since 2000.

    missing: the share of training rows without a value. hours: whether its dates have a time of day. form: how its
    numbers ("1.234,5") or dates ("MM/DD/YYYY") were written where not plainly. absent: texts that stand for no value.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    missing: float = 0.0
    hours: bool = False
    form: str = ""
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The inputs in the order of their names."""

    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values; how a column is written is left out where it is plain, as older artifacts do."""
        columns = [asdict(column) for column in self.columns]
        return {"columns": [{k: v for k, v in each.items() if v or k not in ("form", "absent")} for each in columns]}

    @classmethod
    def from_json(cls, content: Any, where: str) -> Schema:
        """The inverse. Raises Broken when it is none."""
        try:
            return cls(tuple(_read_column(each) for each in content["columns"]))
        except (KeyError, TypeError) as error:
            raise Broken(f"holds no table's schema: {error}", where=where) from None


@dataclass(frozen=True)
class TableSplit:
    """Rows as trainers and evaluation see them. targets: labels, or numbers. groups: rows that belong together.

    audits: by row, the values of columns that are compared for fairness but are no inputs. fairness: all columns
    whose groups are compared. forms: how columns' numbers and dates are written, where not plainly.
    """

    inputs: tuple[Values, ...]
    targets: tuple[Any, ...]
    groups: tuple[str, ...] = ()
    audits: tuple[Values, ...] = ()
    fairness: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def labels(self) -> tuple[str, ...]:
        """The targets of a classification."""
        return tuple(map(str, self.targets))

    def audited(self, column: str) -> list[Value]:
        """The rows' values of a column that is compared for fairness, an input or not."""
        pairs = zip(self.inputs, self.audits or ({},) * len(self), strict=True)
        return [values.get(column, audit.get(column)) for values, audit in pairs]


def _none(name: str) -> Collection[str]:
    return ()


def split_of(rows: Sequence[Mapping[str, Any]], fairness: Sequence[str] = ()) -> TableSplit:
    """Rows of a dataset version without their origins."""
    return TableSplit(
        inputs=tuple(row["values"] for row in rows),
        targets=tuple(row["target"] for row in rows),
        groups=tuple(str(row["group"]) for row in rows) if rows and "group" in rows[0] else (),
        audits=tuple(row.get("audit", {}) for row in rows),
        fairness=tuple(fairness),
        forms=rows[0].get("forms", {}) if rows else {},
    )


def schema_of(
    inputs: Sequence[Values], forms: Mapping[str, str] | None = None, absent: Callable[[str], Collection[str]] = _none
) -> Schema:
    """The schema of typed rows: floats are numbers, texts are dates where all of a column are ISO dates.

    forms: how columns were written, where not plainly. absent: by a column's name, the texts that stand for no value.
    """
    names = sorted({name for values in inputs for name in values})
    columns = [_column(name, [values.get(name) for values in inputs]) for name in names]
    form = {} if forms is None else forms
    return Schema(tuple(replace(c, form=form.get(c.name, ""), absent=tuple(sorted(absent(c.name)))) for c in columns))


def _read_column(content: Mapping[str, Any]) -> Column:
    texts = {name: tuple(content.get(name, ())) for name in ("categories", "absent")}
    return Column(**{**content, **texts})


def _column(name: str, values: Sequence[Value]) -> Column:
    present = [value for value in values if value is not None]
    missing = 1 - len(present) / len(values) if values else 0.0
    numbers = [value for value in present if not isinstance(value, str)]
    if len(numbers) == len(present):
        return Column(name, "number", low=min(numbers, default=0.0), high=max(numbers, default=0.0), missing=missing)
    texts = [value for value in present if isinstance(value, str)]
    moments = [iso_moment(text) for text in texts]
    if all(moment is not None for moment in moments):
        days = [days_of(moment) for moment in moments if moment is not None]
        hours = any("T" in text for text in texts)
        return Column(name, "date", low=min(days), high=max(days), missing=missing, hours=hours)
    return Column(name, "category", categories=tuple(sorted(set(texts))), missing=missing)


def iso_moment(text: str) -> datetime | None:
    """The moment that 2026-11-05 or 2026-11-05T09:30:00 writes (the form rows keep), or None."""
    if len(text) not in (10, 19) or text[4:5] != "-":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def days_of(moment: datetime) -> float:
    """Days since 2000-01-01, with the fraction of the day."""
    return moment.toordinal() - EPOCH + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400


def finite(value: float) -> bool:
    """Whether a number can be used: not infinite, not NaN, and in the range of what trees and tables hold."""
    return math.isfinite(value) and abs(value) <= MOST


MOST = 1e15
"""No number is taken beyond it: float64 counts whole numbers up to 9e15."""
