"""Labels compared by how they look, and those with too few rows to learn: found for all classifying tasks alike.

It reads labels and counts; what a row holds beside its label it does not know.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.core.errors import BadInput
from penstock.datasets.compare import normalise
from penstock.datasets.rows import Row
from penstock.workspace.records import Cleaning

UNSEEN = "kept: they can only be answered wrongly, and count as wrong"

LEAST_TRAIN_ROWS = 2
"""Rungs check a model of a class on rows that it has not seen, so they need two of each."""
MOST_NAMED = 12
_SEPARATORS = str.maketrans("_-", "  ")


def look(label: str) -> str:
    """The form in which labels are compared: case, width, composed or not, invisible characters, blanks, "_" and "-"
    make no difference."""
    seen = "".join(sign for sign in label if unicodedata.category(sign) != "Cf")
    return " ".join(normalise(seen).translate(_SEPARATORS).split()) or label


def by_look(labels: Iterable[str]) -> dict[str, str]:
    """Of each look the label that most rows have; of equally many the first in sorted order."""
    counts = Counter(labels)
    found: dict[str, str] = {}
    for label, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        found.setdefault(look(label), label)
    return found


def alike(labels: Iterable[str]) -> dict[str, str]:
    """Each label that looks like a more frequent one, and that one."""
    every = list(labels)
    kept = by_look(every)
    return {label: kept[look(label)] for label in sorted(set(every)) if kept[look(label)] != label}


def renamed(rows: Sequence[Row], names: Mapping[str, str]) -> list[Row]:
    """The rows with the labels that `names` gives in place of theirs."""
    return [replace(row, label=names[row.label]) if row.label in names else row for row in rows]


def rare(train: Mapping[str, int], test: Mapping[str, int], least: int, known: Iterable[str] = ()) -> list[str]:
    """The labels that cannot be learned, sorted: fewer than two rows to train on, or fewer than `least` in both parts.

    train, test: rows by label. known: labels that must be learned, although no row of theirs may be left.
    """
    return [
        label
        for label in sorted({*train, *known})
        if train.get(label, 0) < LEAST_TRAIN_ROWS or train.get(label, 0) + test.get(label, 0) < least
    ]


@dataclass(frozen=True)
class Settled:
    """What became of rows whose labels a step looked at. names: new names by old label. found: the rows that were the
    reason, each with the label or count beside it. dropped: how many left train. action: what was done, in words."""

    train: list[Row]
    test: list[Row]
    extra: list[Row]
    names: Mapping[str, str] = field(default_factory=dict)
    found: Sequence[tuple[Row, str]] = ()
    dropped: int = 0
    action: str = ""


def settle_alike(train: Sequence[Row], test: Sequence[Row], extra: Sequence[Row], options: Cleaning) -> Settled:
    """Labels that look like another are found, one row of each, and made one with it where the options say so."""
    both = [*train, *test]
    names = alike(row.label for row in both)
    first = {row.label: row for row in reversed(both)}
    found = [(first[label], other) for label, other in names.items()]
    if options.alike_labels == "keep":
        action = 'kept apart; cleaning = { alike_labels = "merge" } makes them one'
        return Settled(list(train), list(test), list(extra), {}, found, 0, action)
    kept = by_look(row.label for row in both)
    every = names | {row.label: kept[look(row.label)] for row in extra if look(row.label) in kept}
    parts = [renamed(part, every) for part in (train, test, extra)]
    return Settled(parts[0], parts[1], parts[2], every, found, 0, "made one with it")


def settle_rare(rows: list[Row], tested: list[Row], extra: Sequence[Row], options: Cleaning) -> Settled:
    """Without labels that have too few rows to learn, or with these made one label, as the options say. Test rows of a
    label that was dropped stay, and count as wrong."""
    train, test = (Counter(row.label for row in part) for part in (rows, tested))
    few = set(rare(train, test, options.min_class_rows)) if options.rare_labels != "refuse" else set()
    found = [(row, f"{train[row.label]} rows") for row in rows if row.label in few]
    if not few:
        return Settled(rows, tested, list(extra))
    if options.rare_labels == "drop":
        kept = [row for row in rows if row.label not in few]
        return Settled(kept, tested, list(extra), {}, found, len(found), 'dropped, as rare_labels = "drop" says')
    name = options.rare_labels.removeprefix("merge:").strip()
    names = dict.fromkeys(few, name)
    parts = [renamed(part, names) for part in (rows, tested, extra)]
    return Settled(parts[0], parts[1], parts[2], names, found, 0, f"labelled {name!r}, as rare_labels says")


def learnable(rows: Sequence[Row], tested: Sequence[Row], before: Sequence[Row], options: Cleaning) -> None:
    """Raises BadInput, naming all of them, for labels with too few rows; and for a test without any label of train.

    before: the rows as read: where labels are neither dropped nor merged, each of theirs must be learned.
    """
    train, test = (Counter(row.label for row in part) for part in (rows, tested))
    must = {row.label for row in before} if options.rare_labels == "refuse" else set[str]()
    if few := rare(train, test, options.min_class_rows, must):
        error = too_few(few, train, test, where=next(row.origin for row in [*before, *rows] if row.label in few))
        if same := sorted(set(few) & alike(row.label for row in before).keys()):
            error.hint = (
                f'{", ".join(map(repr, same[:5]))} look like another label: alike_labels = "merge"; {error.hint}'
            )
        raise error
    if test and not any(label in train for label in test):
        shown, ours = (", ".join(map(repr, list(part)[:5])) for part in (test, train))
        hint = f"the test has {shown}; the data have {ours}: is `columns` right for both files?"
        raise BadInput("no test row has a label of the data", where=tested[0].origin, hint=hint)


def unseen(rows: Sequence[Row], tested: Sequence[Row]) -> list[tuple[Row, str]]:
    """The test rows whose label train lacks."""
    known = {row.label for row in rows}
    return [(row, "") for row in tested if row.label not in known]


def too_few(labels: Sequence[str], train: Mapping[str, int], test: Mapping[str, int], *, where: str) -> BadInput:
    """The error that names every label with too few rows."""
    told = [f"{label!r} ({_rows(train.get(label, 0), test.get(label, 0))})" for label in labels[:MOST_NAMED]]
    more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
    hint = (
        "add rows of them, correct those that are slips, or settle it in penstock.toml: "
        'cleaning = { rare_labels = "drop" }, or "merge:other" to make them one label; '
        "every label with its rows: penstock data labels PRODUCT"
    )
    what = "1 label has" if len(labels) == 1 else f"{len(labels)} labels have"
    return BadInput(f"{what} too few rows to learn: {', '.join(told)}{more}", where=where, hint=hint)


def _rows(train: int, test: int) -> str:
    if not train:
        return "no row to train on"
    tested = f", {test} to test" if test else ""
    return f"{train} row{'' if train == 1 else 's'}{' to train on' if test else ''}{tested}"
