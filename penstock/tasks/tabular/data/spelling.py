"""One spelling for categories and labels that differ only in how they are written (TRUE and true, 1.5 and 1.50): the
commonest of train, which test rows and corrections take over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.tasks.tabular.data.columns import known_as, usual_spellings
from penstock.tasks.tabular.data.targets import Row


def spelled_alike(rows: Sequence[Row], categories: Sequence[str]) -> list[Row]:
    """Train rows, each category and label in its commonest spelling. categories: the columns that hold them."""
    columns = {name: usual_spellings([row["values"].get(name) for row in rows]) for name in categories}
    labels = usual_spellings([row["target"] for row in rows])
    if not labels and not any(columns.values()):
        return list(rows)
    return [_spelled(row, {n: usual.get(row["values"].get(n)) for n, usual in columns.items()}, labels) for row in rows]


def spelled_as_known(rows: Sequence[Row], train: Sequence[Row], categories: Sequence[str]) -> list[Row]:
    """Test rows or corrections in the spellings of train; what train lacks stays as it is."""
    known = {name: _distinct(row["values"].get(name) for row in train) for name in categories}
    labels = _distinct(row["target"] for row in train)
    return [
        _spelled(
            row,
            {name: known_as(row["values"][name], known[name]) for name in categories if row["values"].get(name)},
            {row["target"]: known_as(row["target"], labels)} if isinstance(row["target"], str) else {},
        )
        for row in rows
    ]


def _spelled(row: Row, values: Mapping[str, str | None], labels: Mapping[Any, str | None]) -> Row:
    changed = {name: value for name, value in values.items() if value is not None}
    return {**row, "values": {**row["values"], **changed}, "target": labels.get(row["target"]) or row["target"]}


def _distinct(values: Any) -> dict[str, None]:
    return dict.fromkeys(value for value in values if isinstance(value, str))
