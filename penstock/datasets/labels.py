"""Labels compared by how they look, and those with too few rows to learn: found for all classifying tasks alike.

It reads labels and counts; what a row holds beside its label it does not know.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.core.errors import BadInput
from penstock.datasets.compare import Kept, normalise
from penstock.datasets.rows import Row
from penstock.datasets.suspects import out_of_fold, suspects
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


@dataclass(frozen=True)
class Labelling:
    """What a row's label is to the steps of cleaning, which are the same for one label and for several.

    of: the labels of a row. renamed: the row with the names that a mapping gives in place of its labels'. without: the
    row without some labels; None where nothing is left of it. suspects: (row, the label it seems to have) of rows, by
    a seed. united: rows of one text that each add a label, as one row.
    """

    of: Callable[[Row], Sequence[str]]
    renamed: Callable[[Row, Mapping[str, str]], Row]
    without: Callable[[Row, Collection[str]], Row | None]
    suspects: Callable[[Sequence[Row], int], list[tuple[Row, str]]]
    united: Callable[[Sequence[Row]], Kept] = lambda rows: Kept(list(rows), [])

    def counts(self, rows: Iterable[Row]) -> Counter[str]:
        """Rows by label."""
        return Counter(label for row in rows for label in self.of(row))

    def all_renamed(self, rows: Iterable[Row], names: Mapping[str, str]) -> list[Row]:
        return [self.renamed(row, names) for row in rows]


def _renamed(row: Row, names: Mapping[str, str]) -> Row:
    return replace(row, label=names[row.label]) if row.label in names else row


def _suspects(rows: Sequence[Row], seed: int) -> list[tuple[Row, str]]:
    texts, labels = [row.text for row in rows], [row.label for row in rows]
    probabilities = out_of_fold(texts, labels, seed=seed)
    found = [] if probabilities is None else suspects(texts, labels, probabilities)
    return [(rows[each.index], each.proposed) for each in found]


ONE = Labelling(
    of=lambda row: (row.label,),
    renamed=_renamed,
    without=lambda row, labels: None if row.label in labels else row,
    suspects=_suspects,
)
"""A row has one label."""


def beside(row: Row, label: str, told: str) -> str:
    """What is told of a row as an example of a label: of which label, where it has others too."""
    return told if row.label == label else ": ".join(filter(None, (label, told)))


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


def settle_alike(
    train: Sequence[Row], test: Sequence[Row], extra: Sequence[Row], options: Cleaning, by: Labelling = ONE
) -> Settled:
    """Labels that look like another are found, one row of each, and made one with it where the options say so."""
    both = [*train, *test]
    every = [label for row in both for label in by.of(row)]
    names = alike(every)
    first = {label: row for row in reversed(both) for label in by.of(row)}
    found = [(first[label], beside(first[label], label, other)) for label, other in names.items()]
    if options.alike_labels == "keep":
        action = 'kept apart; cleaning = { alike_labels = "merge" } makes them one'
        return Settled(list(train), list(test), list(extra), {}, found, 0, action)
    kept = by_look(every)
    known = names | {label: kept[look(label)] for row in extra for label in by.of(row) if look(label) in kept}
    parts = [by.all_renamed(part, known) for part in (train, test, extra)]
    return Settled(parts[0], parts[1], parts[2], known, found, 0, "made one with it")


def settle_rare(
    rows: list[Row], tested: list[Row], extra: Sequence[Row], options: Cleaning, by: Labelling = ONE
) -> Settled:
    """Without labels that have too few rows to learn, or with these made one label, as the options say. Test rows of a
    label that was dropped stay, and count as wrong."""
    train, test = by.counts(rows), by.counts(tested)
    few = set(rare(train, test, options.min_class_rows)) if options.rare_labels != "refuse" else set()
    found = [(row, beside(row, label, f"{train[label]} rows")) for row in rows for label in by.of(row) if label in few]
    if not few:
        return Settled(rows, tested, list(extra))
    if options.rare_labels == "drop":
        kept = [left for row in rows if (left := by.without(row, few)) is not None]
        gone = len(rows) - len(kept)
        return Settled(kept, tested, list(extra), {}, found, gone, 'dropped, as rare_labels = "drop" says')
    name = options.rare_labels.removeprefix("merge:").strip()
    names = dict.fromkeys(few, name)
    parts = [by.all_renamed(part, names) for part in (rows, tested, extra)]
    return Settled(parts[0], parts[1], parts[2], names, found, 0, f"labelled {name!r}, as rare_labels says")


def learnable(
    rows: Sequence[Row], tested: Sequence[Row], before: Sequence[Row], options: Cleaning, by: Labelling = ONE
) -> None:
    """Raises BadInput, naming all of them, for labels with too few rows; and for a test without any label of train.

    before: the rows as read: where labels are neither dropped nor merged, each of theirs must be learned.
    """
    train, test, read = by.counts(rows), by.counts(tested), by.counts(before)
    must = set(read) if options.rare_labels == "refuse" else set[str]()
    if few := rare(train, test, options.min_class_rows, must):
        of_them = (row.origin for row in [*before, *rows] if not set(few).isdisjoint(by.of(row)))
        error = too_few(few, train, test, where=next(of_them))
        if same := sorted(set(few) & alike(read.elements()).keys()):
            error.hint = (
                f'{", ".join(map(repr, same[:5]))} look like another label: alike_labels = "merge"; {error.hint}'
            )
        raise error
    if test and not any(label in train for label in test):
        shown, ours = (", ".join(map(repr, list(part)[:5])) for part in (test, train))
        hint = f"the test has {shown}; the data have {ours}: is `columns` right for both files?"
        raise BadInput("no test row has a label of the data", where=tested[0].origin, hint=hint)


def unseen(rows: Sequence[Row], tested: Sequence[Row], by: Labelling = ONE) -> list[tuple[Row, str]]:
    """The test rows whose label train lacks."""
    known = set(by.counts(rows))
    return [(row, "") for row in tested if not known.issuperset(by.of(row))]


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
