"""Compares groups of people: how often each is decided for, found and wrongly suspected, or misjudged in value.

It measures and shows; what difference is fair, people say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.intervals import Floats, Metric, wilson
from penstock.evaluation.measured import Chart, Point, Section
from penstock.tasks.tabular.data.schema import Value

MOST_GROUPS = 12
COMPARED_ROWS = 30  # groups of fewer rows are shown, but not counted in the largest difference
TITLE = "Fairness"
NOTE = "last row: the largest difference between groups of at least 30 rows"


def fairness_of_decisions(
    column: str,
    values: Sequence[Value],
    decided: NDArray[np.int64],
    truth: NDArray[np.int64],
    probabilities: Floats,
    labels: Sequence[str],
) -> Section:
    """Groups of one column. decided, truth: numbers of labels (rows,); of two labels the second is the positive one."""
    groups = groups_of(values)
    if len(labels) != 2:
        return _by_accuracy(column, groups, np.asarray(decided == truth))
    rows: list[tuple[str, ...]] = []
    points: list[Point] = []
    compared: list[tuple[float | None, ...]] = []
    for name, at in groups.items():
        ones, zeros = at[truth[at] == 1], at[truth[at] != 1]
        rate, hit, alarm = (wilson(int((decided[part] == 1).sum()), len(part)) for part in (at, ones, zeros))
        base, mean = len(ones) / len(at), float(probabilities[at, 1].mean())
        shares = (_percent(rate), _percent(hit), _percent(alarm))
        rows.append((name, f"{len(at):,}", f"{base:.1%}", f"{mean:.1%}", *shares))
        points.append(Point(name, rate.value, rate.low, rate.high))
        pairs = ((at, base), (at, mean), (at, rate.value), (ones, hit.value), (zeros, alarm.value))
        compared.append(tuple(value if len(part) >= COMPARED_ROWS else None for part, value in pairs))
    rows.append(("difference", "", *_differences(compared)))
    header = (column, "rows", "truly positive", "mean probability", "decided positive", "found", "false alarms")
    return Section(TITLE, NOTE, header, tuple(rows), Chart("bars", "decided positive", column, tuple(points)))


def fairness_of_estimates(column: str, values: Sequence[Value], errors: Floats, held: NDArray[np.bool_]) -> Section:
    """Groups of one column. errors: estimate minus truth (rows,); held: whether the interval holds the truth."""
    rows: list[tuple[str, ...]] = []
    points: list[Point] = []
    sizes: list[float] = []
    for name, at in groups_of(values).items():
        size, bias = float(np.abs(errors[at]).mean()), float(errors[at].mean())
        covered = wilson(int(held[at].sum()), len(at))
        rows.append((name, f"{len(at):,}", f"{size:.4g}", f"{bias:+.4g}", _percent(covered)))
        points.append(Point(name, size))
        sizes += [size] if len(at) >= COMPARED_ROWS else []
    difference = f"{max(sizes) - min(sizes):.4g}" if len(sizes) > 1 else "–"
    rows.append(("difference", "", difference, "", ""))
    header = (column, "rows", "mean absolute error", "mean error", "coverage")
    return Section(TITLE, NOTE, header, tuple(rows), Chart("bars", "mean absolute error", column, tuple(points)))


def groups_of(values: Sequence[Value]) -> dict[str, NDArray[np.int64]]:
    """The rows of each group: categories, or quarters of a number's range of values; the rarest together."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if numbers and len(numbers) == sum(value is not None for value in values) and len(set(numbers)) > MOST_GROUPS:
        edges = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
        names = [_band(value, edges) for value in values]
        order = [_band(float(each), edges) for each in (*edges, np.inf)]
    else:
        names = ["missing" if value is None else _name(value) for value in values]
        order = []
    counts = Counter(names)
    common = sorted(counts, key=lambda name: (-counts[name], name))
    order = [name for name in order if counts[name]] or common
    order = [name for name in order if counts[name]] or common
    if counts["missing"] and "missing" not in order:
        order.append("missing")
    shown = order if len(order) <= MOST_GROUPS else order[: MOST_GROUPS - 1]
    place = np.array([name if name in shown else "others" for name in names], dtype=object)
    every = [*shown, "others"] if len(order) > len(shown) else shown
    return {name: np.flatnonzero(place == name) for name in every}


def _band(value: Value, edges: Floats) -> str:
    if not isinstance(value, int | float):
        return "missing"
    place = int(np.searchsorted(edges, value, side="left"))
    if place == 0:
        return f"≤ {edges[0]:g}"
    if place == len(edges):
        return f"> {edges[-1]:g}"
    return f"> {edges[place - 1]:g}, ≤ {edges[place]:g}"


def _name(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, int | float) else value


def _by_accuracy(column: str, groups: dict[str, NDArray[np.int64]], right: NDArray[np.bool_]) -> Section:
    rows: list[tuple[str, ...]] = []
    points: list[Point] = []
    compared: list[tuple[float | None, ...]] = []
    for name, at in groups.items():
        share = wilson(int(right[at].sum()), len(at))
        rows.append((name, f"{len(at):,}", _percent(share)))
        points.append(Point(name, share.value, share.low, share.high))
        compared.append((share.value if len(at) >= COMPARED_ROWS else None,))
    rows.append(("difference", "", *_differences(compared)))
    chart = Chart("bars", "accuracy", column, tuple(points))
    return Section(TITLE, NOTE, (column, "rows", "accuracy"), tuple(rows), chart)


def _differences(compared: Sequence[tuple[float | None, ...]]) -> list[str]:
    """Of each share, the largest difference between groups that have enough rows for it."""
    out = []
    for each in zip(*compared, strict=True):
        known = [value for value in each if value is not None]
        out.append(f"{max(known) - min(known):.1%}" if len(known) > 1 else "–")
    return out


def _percent(found: Metric) -> str:
    return f"{found.value:.1%} ({found.low:.1%} – {found.high:.1%})"
