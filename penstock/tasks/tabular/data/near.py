"""Finds rows of a table that nearly repeat another: the same categories, and numbers that differ by less than those of
its other rows do.

It knows typed values; what is done with the pairs it does not. In numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.tabular.data.schema import Value, Values, days_of, iso_moment

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TOLERANCE = 0.1  # of a column's spread: what two values may differ by at most
NEIGHBOURS = 10  # the row's usual distance is that to so many others, so that a few copies do not hide each other
CHANCE = 0.002  # of an honest row to have a neighbour as near
LATTICE = (
    0.5  # of the rows that share a value with another: then the column has steps, and what lies between is no step
)
WITHIN_STEP = 0.9
SAMPLE = 2_000
_SPREAD_OF_RANKS = 0.2887  # of numbers spread evenly from 0 to 1


@dataclass(frozen=True, eq=False)
class _Points:
    """values: (rows, numbers); ranks: the same as shares of the rows below. marks: (rows, others) codes of categories
    and of what is missing. limits: (numbers,) how far apart values may lie. spreads: (numbers,)."""

    values: Floats
    ranks: Floats
    marks: Integers
    limits: Floats
    spreads: Floats


def near_repeats(test: Sequence[Values], train: Sequence[Values]) -> dict[int, int]:
    """The rows of train that nearly repeat a row of test: {row of train: row of test}. Equal rows are among them."""
    if not test or not train:
        return {}
    points = _points([*test, *train], len(test))
    pairs = _close(points, len(test))
    if not len(pairs):
        return {}
    usual, dimension = _usual(points, len(test), np.unique(pairs[:, 0]))
    ratio = min(0.5, (CHANCE / (NEIGHBOURS - 1)) ** (1 / dimension))
    apart = _distances(points, pairs[:, 0], pairs[:, 1])
    return {int(j) - len(test): int(i) for (i, j), d in zip(pairs, apart, strict=True) if d <= ratio * usual[int(i)]}


def _points(rows: Sequence[Values], tests: int) -> _Points:
    names = sorted(rows[0])
    columns = {name: [row.get(name) for row in rows] for name in names}
    numbers = {name: found for name, cells in columns.items() if (found := _as_numbers(cells)) is not None}
    marks = [_codes([value is None for value in columns[name]]) for name in numbers]
    marks += [_codes([_mark(value) for value in columns[name]]) for name in names if name not in numbers]
    values = (
        np.column_stack([np.nan_to_num(each) for each in numbers.values()]) if numbers else np.empty((len(rows), 0))
    )
    spreads = np.array([_spread(each) for each in values.T])
    steps = np.array([_step(each[:tests], each[tests:]) for each in values.T])
    on_step = np.column_stack([_shared(each) for each in values.T]) & (steps > 0) if numbers else values > 0
    limits = np.where(on_step, np.minimum(WITHIN_STEP * steps, TOLERANCE * spreads), TOLERANCE * spreads)
    ranks = np.column_stack([_ranks(each) for each in values.T]) if numbers else values
    ranks[:, steps > 0] = values[:, steps > 0] / spreads[steps > 0]  # a step is a step, however few rows it passes
    return _Points(values, ranks, np.column_stack(marks), limits, spreads)


def _close(points: _Points, tests: int) -> Integers:
    """(pairs, 2): rows of test and of train with equal marks whose numbers are all within the limits."""
    if not points.values.shape[1]:
        return np.empty((0, 2), dtype=np.int64)
    _, groups = np.unique(points.marks, axis=0, return_inverse=True)
    finest = min(range(points.values.shape[1]), key=lambda column: _crowd(points, column))
    keys = points.values[:, finest]
    order = np.lexsort((keys, groups.ravel()))
    train = order[order >= tests]
    starts = np.searchsorted(groups.ravel()[train], np.arange(groups.max() + 2))
    limit = points.limits[:, finest].max()
    found = []
    for row in range(tests):
        group = groups.ravel()[row]
        inside = train[starts[group] : starts[group + 1]]
        low, high = np.searchsorted(keys[inside], (keys[row] - limit, keys[row] + limit))
        near = inside[low:high]
        for column in range(points.values.shape[1]):
            apart = np.abs(points.values[near, column] - points.values[row, column])
            near = near[apart <= np.maximum(points.limits[row, column], points.limits[near, column])]
        found += [(row, int(other)) for other in near]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _crowd(points: _Points, column: int) -> int:
    """How many pairs of rows lie within the column's limit: it is looked at first where they are fewest."""
    values, limit = points.values[:, column], points.limits[:, column].max()
    ordered = np.sort(values)
    return int((np.searchsorted(ordered, values + limit, "right") - np.searchsorted(ordered, values - limit)).sum())


def _usual(points: _Points, tests: int, rows: Integers) -> tuple[dict[int, float], float]:
    """How far the tenth neighbour in train of each of these rows is, and the dimension in which train's rows lie."""
    train = np.arange(tests, len(points.values))
    chance = np.random.default_rng(0)
    sample = np.sort(chance.permutation(train)[:SAMPLE])
    nth = max(1, round(NEIGHBOURS * len(sample) / len(train)))
    nth = min(nth, len(sample) - 1)
    usual = {int(row): float(np.partition(_to_all(points, int(row), sample), nth - 1)[nth - 1]) for row in rows}
    ratios = []
    for row in chance.permutation(sample)[:200]:
        ordered = np.sort(_to_all(points, int(row), sample))[1:]  # the first is the row itself
        far = min(2 * NEIGHBOURS, len(ordered)) - 1
        near = far // 2
        if ordered[near] > 0 and ordered[far] > ordered[near]:
            ratios.append(np.log((far + 1) / (near + 1)) / np.log(ordered[far] / ordered[near]))
    return usual, float(np.clip(np.median(ratios), 1.0, 30.0)) if ratios else 1.0


def _to_all(points: _Points, row: int, others: Integers) -> Floats:
    """How far one row is from others: each number in spreads, or in ranks where that is less; each other mark as 1."""
    numbers = _apart(points, np.full(len(others), row), others) ** 2
    marks = (points.marks[others] != points.marks[row]).sum(axis=1)
    found: Floats = np.sqrt(numbers.sum(axis=1) + marks)
    return found


def _distances(points: _Points, rows: Integers, others: Integers) -> Floats:
    found: Floats = np.sqrt((_apart(points, rows, others) ** 2).sum(axis=1))
    return found


def _apart(points: _Points, rows: Integers, others: Integers) -> Floats:
    values = np.abs(points.values[rows] - points.values[others]) / points.spreads
    ranks = np.abs(points.ranks[rows] - points.ranks[others]) / _SPREAD_OF_RANKS
    found: Floats = np.minimum(values, ranks)
    return found


def _as_numbers(cells: Sequence[Value]) -> Floats | None:
    """Numbers, or dates as days, NaN where missing; None for categories."""
    if all(value is None for value in cells):
        return None
    if all(value is None or not isinstance(value, str) for value in cells):
        return np.array([np.nan if value is None else value for value in cells], dtype=np.float64)
    moments = [iso_moment(value) if isinstance(value, str) else None for value in cells]
    if any(moment is None and value is not None for moment, value in zip(moments, cells, strict=True)):
        return None
    return np.array([np.nan if moment is None else days_of(moment) for moment in moments])


def _mark(value: Value) -> str:
    return "" if value is None else f"={value}"


def _codes(values: Sequence[object]) -> Integers:
    _, codes = np.unique(np.array(values), return_inverse=True)
    return np.asarray(codes, dtype=np.int64).ravel()


def _spread(values: Floats) -> float:
    """The standard deviation that a normal distribution of these quartiles has, or the usual one where they are one."""
    quartiles = np.quantile(values, (0.25, 0.75))
    return float((quartiles[1] - quartiles[0]) / 1.349) or float(values.std()) or 1.0


def _step(test: Floats, train: Floats) -> float:
    """The usual step between neighbouring values, where most rows share theirs with another row; else 0.

    Of the two parts the larger: in the other one, copies with changed numbers stand between the steps.
    """
    steps = [0.0]
    for part in (test, train):
        distinct, counts = np.unique(part, return_counts=True)
        shared = distinct[counts > 1]
        if len(shared) > 1 and counts[counts > 1].sum() >= LATTICE * len(part):
            steps.append(float(np.median(np.diff(shared))))
    return max(steps)


def _shared(values: Floats) -> NDArray[np.bool_]:
    """Which values another row has too: those that a changed copy of a row leaves."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    found: NDArray[np.bool_] = count[place.ravel()] > 1
    return found


def _ranks(values: Floats) -> Floats:
    """The share of values below each, ties at their middle."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    found: Floats = ((ends - count / 2) / len(values))[place]
    return found
