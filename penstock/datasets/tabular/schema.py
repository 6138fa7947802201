"""What the columns of a table are, learned from its rows, kept in the artifact, and asked of every input.

It knows typed values (numbers, texts, dates as ISO text, None for missing), neither files nor models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from penstock.core.errors import Broken

Value: TypeAlias = float | str | None
Values: TypeAlias = Mapping[str, Value]
Kind = Literal["number", "category", "date"]

EPOCH = date(2000, 1, 1).toordinal()
_OTHER_DATES = ("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%Y年%m月%d日")


@dataclass(frozen=True)
class Column:
    """An input. categories: those seen in training, sorted. low, high: of numbers, or of dates in days since 2000.

    missing: the share of training rows without a value. hours: whether its dates have a time of day.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    missing: float = 0.0
    hours: bool = False


@dataclass(frozen=True)
class Schema:
    """The inputs in the order of their names."""

    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any, where: str) -> Schema:
        """The inverse. Raises Broken when it is none."""
        try:
            columns = (Column(**{**each, "categories": tuple(each["categories"])}) for each in content["columns"])
            return cls(tuple(columns))
        except (KeyError, TypeError) as error:
            raise Broken(f"holds no table's schema: {error}", where=where) from None


@dataclass(frozen=True)
class TableSplit:
    """Rows as trainers and evaluation see them. targets: labels, or numbers. groups: rows that belong together.

    audits: by row, the values of columns that are compared for fairness but are no inputs. fairness: all columns
    whose groups are compared.
    """

    inputs: tuple[Values, ...]
    targets: tuple[Any, ...]
    groups: tuple[str, ...] = ()
    audits: tuple[Values, ...] = ()
    fairness: tuple[str, ...] = ()

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


def split_of(rows: Sequence[Mapping[str, Any]], fairness: Sequence[str] = ()) -> TableSplit:
    """Rows of a dataset version without their origins."""
    return TableSplit(
        inputs=tuple(row["values"] for row in rows),
        targets=tuple(row["target"] for row in rows),
        groups=tuple(str(row["group"]) for row in rows) if rows and "group" in rows[0] else (),
        audits=tuple(row.get("audit", {}) for row in rows),
        fairness=tuple(fairness),
    )


def schema_of(inputs: Sequence[Values]) -> Schema:
    """The schema of typed rows: floats are numbers, texts are dates where all of a column are ISO dates."""
    names = sorted({name for values in inputs for name in values})
    return Schema(tuple(_column(name, [values.get(name) for values in inputs]) for name in names))


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


def date_text(text: str) -> str | None:
    """A date in one of the forms people write, in the form rows keep; None where it is no date.

    Day and month in an order that depends on the country (05/11/2026) is not guessed. A zone is left out: a column
    keeps one clock.
    """
    text = text.strip()
    if not (8 <= len(text) <= 35 and text[0].isdigit() and not text.isdigit()):
        return None
    moment = None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        for form in _OTHER_DATES:
            try:
                moment = datetime.strptime(text, form)
                break
            except ValueError:
                continue
    if moment is None:
        return None
    whole = moment.hour == moment.minute == moment.second == 0
    return moment.date().isoformat() if whole else moment.replace(microsecond=0, tzinfo=None).isoformat()


def days_of(moment: datetime) -> float:
    """Days since 2000-01-01, with the fraction of the day."""
    return moment.toordinal() - EPOCH + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400


def finite(value: float) -> bool:
    """Whether a number can be used: not infinite, not NaN, and in the range of what trees and tables hold."""
    return math.isfinite(value) and abs(value) <= MOST


MOST = 1e15
"""No number is taken beyond it: float64 counts whole numbers up to 9e15."""
