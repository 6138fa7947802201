"""Labels of a table that look like another, or have too few rows, are settled as for texts and images: as
[products.NAME.cleaning] says, by the same rules, and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from penstock.datasets.labels import Settled, learnable, settle_alike, settle_rare
from penstock.datasets.report import MAX_EXAMPLES, Example, Finding, shortened
from penstock.datasets.rows import Row as Labelled
from penstock.tasks.tabular.data.targets import Row, described
from penstock.workspace.records import Cleaning

Extra: TypeAlias = Sequence[Mapping[str, Any]]
_Step = Callable[[list[Labelled], list[Labelled], list[Labelled], Cleaning], Settled]


@dataclass(frozen=True)
class Split:
    """Rows of the data, of the test and from use, on their way through cleaning."""

    train: list[Row]
    test: list[Row]
    extra: Extra


def without_alike(rows: Split, options: Cleaning, log: list[Finding]) -> Split:
    """Labels that look like another are found, and made one with it where the options say so."""
    return _settled(settle_alike, "alike-label", rows, options, log)


def without_rare(rows: Split, options: Cleaning, log: list[Finding]) -> Split:
    """Without labels that have too few rows, or with these made one, where the options say so."""
    return _settled(settle_rare, "rare-label", rows, options, log)


def check_learnable(train: Sequence[Row], test: Sequence[Row], options: Cleaning) -> None:
    """Raises BadInput that names every label with too few rows, and for a test without any label of train."""
    ours = _labelled(train)
    learnable(ours, _labelled(test), ours, options)


def _settled(step: _Step, kind: str, rows: Split, options: Cleaning, log: list[Finding]) -> Split:
    found = step(_labelled(rows.train), _labelled(rows.test), _labelled(rows.extra), options)
    if found.found:
        known = {str(row["origin"]): row for row in (*rows.test, *rows.train)}
        shown = tuple(
            Example(row.origin, shortened(described(known[row.origin]["values"])), row.label, other)
            for row, other in found.found[:MAX_EXAMPLES]
        )
        log.append(Finding(kind, "train", len(found.found), found.dropped, found.action, shown))
    if not found.found and not found.names:
        return rows
    return Split(_back(rows.train, found.train), _back(rows.test, found.test), _back(rows.extra, found.extra))


def _labelled(rows: Extra) -> list[Labelled]:
    """The labels alone; in place of a text stands the row's place."""
    return [Labelled(str(at), str(row["target"]), str(row["origin"])) for at, row in enumerate(rows)]


def _back(rows: Extra, labelled: Sequence[Labelled]) -> list[Row]:
    """The rows that are left, with their labels now."""
    return [{**rows[int(each.text)], "target": each.label} for each in labelled]
