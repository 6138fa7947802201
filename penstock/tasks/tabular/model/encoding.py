"""A row of typed values as numbers (features,): what linear members and trees both read.

A number is itself (NaN when missing), a category one feature for each it may be, a date its day, month, weekday and
hour; a column that was missing in training has a feature that says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.tabular.data.schema import Column, Schema, Value, Values, days_of, iso_moment

Doubles = NDArray[np.float64]

What = Literal["value", "missing", "is", "day", "month", "weekday", "hour"]


@dataclass(frozen=True)
class Feature:
    """What one number of the vector says: of which column, what, and of which category."""

    column: str
    what: What
    category: str = ""

    @property
    def name(self) -> str:
        """In words: "age", "job = nurse", "income is missing"."""
        if self.what == "is":
            return f"{self.column} = {self.category}"
        if self.what == "missing":
            return f"{self.column} is missing"
        return self.column if self.what == "value" else f"{self.what} of {self.column}"


@dataclass(frozen=True, eq=False)
class Encoding:
    """From values to vectors, by a schema."""

    schema: Schema

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The vector's numbers, in order."""
        return tuple(feature for column in self.schema.columns for feature in _features(column))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.schema.columns)

    @cached_property
    def column_of(self) -> NDArray[np.int64]:
        """The position of each feature's column (features,)."""
        place = {name: index for index, name in enumerate(self.columns)}
        return np.array([place[feature.column] for feature in self.features], dtype=np.int64)

    @cached_property
    def _plan(self) -> tuple[tuple[Column, int, dict[str, int]], ...]:
        """Each column, where its features start, and the places of its categories."""
        plan, start = [], 0
        for column in self.schema.columns:
            places = {category: start + index for index, category in enumerate(column.categories)}
            plan.append((column, start, places))
            start += len(_features(column))
        return tuple(plan)

    def vector(self, values: Values) -> Doubles:
        """One row (features,), float64. A category that training never saw is none of the known ones, and missing."""
        vector = np.zeros(len(self.features))
        for column, start, places in self._plan:
            value = values.get(column.name)
            if column.kind == "number":
                missing = _number(vector, start, value)
            elif column.kind == "category":
                place = places.get(value) if isinstance(value, str) else None
                missing = place is None
                if place is not None:
                    vector[place] = 1.0
            else:
                missing = _date(vector, start, value, column.hours)
            if column.missing > 0 and missing:
                vector[start + len(_features(column)) - 1] = 1.0
        return vector

    def matrix(self, inputs: Sequence[Values]) -> Doubles:
        """Rows (n, features)."""
        out = np.empty((len(inputs), len(self.features)))
        for row, values in enumerate(inputs):
            out[row] = self.vector(values)
        return out


def _number(vector: Doubles, start: int, value: Value) -> bool:
    if isinstance(value, int | float) and math.isfinite(value):
        vector[start] = value
        return False
    vector[start] = np.nan
    return True


def _date(vector: Doubles, start: int, value: Value, hours: bool) -> bool:
    moment = iso_moment(value) if isinstance(value, str) else None
    if moment is None:
        vector[start : start + (4 if hours else 3)] = np.nan
        return True
    vector[start : start + 3] = math.floor(days_of(moment)), moment.month, moment.weekday()
    if hours:
        vector[start + 3] = moment.hour + moment.minute / 60
    return False


def _features(column: Column) -> tuple[Feature, ...]:
    parts: list[Feature]
    if column.kind == "number":
        parts = [Feature(column.name, "value")]
    elif column.kind == "category":
        parts = [Feature(column.name, "is", category) for category in column.categories]
    else:
        names: tuple[What, ...] = ("day", "month", "weekday", "hour") if column.hours else ("day", "month", "weekday")
        parts = [Feature(column.name, name) for name in names]
    if column.missing > 0:
        parts.append(Feature(column.name, "missing"))
    return tuple(parts)
