"""What the owner should know of a table's columns, as findings: markers read as words, codes, ways of writing, columns
left out, zeros, categories that train lacks. It changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from penstock.datasets.dates import date_text
from penstock.datasets.report import MAX_EXAMPLES, Example, Finding
from penstock.tasks.tabular.data.columns import Plan, suspicious_zeros
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.reading import Record, looks_missing
from penstock.tasks.tabular.data.targets import Row


def note_left_out(plan: Plan, options: TableOptions, log: list[Finding]) -> None:
    """Columns that are no inputs, each with the reason."""
    if plan.left_out:
        examples = tuple(Example(name, why, "") for name, why in list(plan.left_out.items())[:MAX_EXAMPLES])
        action = "left out of the inputs; types = { ... } would keep one"
        log.append(Finding("no-input", "train", len(plan.left_out), 0, action, examples))
    if options.known_after:
        examples = tuple(Example(name, "known only afterwards", "") for name in options.known_after[:MAX_EXAMPLES])
        log.append(Finding("known-after", "train", len(examples), 0, "left out of the inputs, as told", examples))


def note_forms(plan: Plan, log: list[Finding]) -> None:
    """Columns whose numbers and dates are not written plainly, and digits that are codes."""
    if plan.forms:
        examples = tuple(Example(name, form, "") for name, form in list(plan.forms.items())[:MAX_EXAMPLES])
        log.append(Finding("written-as", "train", len(plan.forms), 0, "read so, in training and when served", examples))
    if plan.codes:
        examples = tuple(Example(name, "digits with leading zeros", "") for name in plan.codes[:MAX_EXAMPLES])
        action = "kept as categories; types = { ... } would read numbers"
        log.append(Finding("codes", "train", len(plan.codes), 0, action, examples))


def note_markers(records: Sequence[Record], options: TableOptions, log: list[Finding]) -> None:
    """Cells like NA or none that are read as words, since no option says that they stand for no value."""
    outside = set(options.outside)
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for name, cell in record.cells.items():
            if isinstance(cell, str) and name not in outside and looks_missing(cell):
                counts.setdefault(name, Counter())[cell] += 1
    if not counts:
        return
    examples = tuple(
        Example(name, f"{', '.join(map(repr, found))} in {found.total():,} of {len(records):,} rows", "")
        for name, found in counts.items()
    )
    words = ", ".join(f'"{word}"' for word in dict.fromkeys(word for found in counts.values() for word in found))
    action = f"kept as words of their own; if they stand for no value: missing = [{words}]"
    log.append(Finding("markers", "train", len(counts), 0, action, examples[:MAX_EXAMPLES]))


def note_zeros(train: Sequence[Row], options: TableOptions, log: list[Finding]) -> None:
    """Columns whose zeros stand far below every other value."""
    found = []
    for name in train[0]["values"] if train else ():
        zeros = suspicious_zeros(name, [row["values"][name] for row in train])
        if zeros:
            found.append(Example(name, f"{zeros:,} zeros, far below every other value", ""))
    if found:
        names = ", ".join(f'"{each.origin}"' for each in found)
        action = f"kept; missing_zero = [{names}] would read them as missing"
        log.append(Finding("zeros", "train", len(found), 0, action, tuple(found[:MAX_EXAMPLES])))


def note_unseen(train: Sequence[Row], test: Sequence[Row], log: list[Finding]) -> None:
    """Categories of test rows that train lacks."""
    known: dict[str, set[str]] = {}
    for row in train:
        for name, value in row["values"].items():
            if isinstance(value, str):
                known.setdefault(name, set()).add(value)
    examples = [
        Example(row["origin"], f"{name} = {value}", str(row["target"]))
        for row in test
        for name, value in row["values"].items()
        if isinstance(value, str) and value not in known.get(name, ()) and date_text(value) is None
    ]
    if examples:
        action = "kept: the model takes them for missing; customers who send them are told"
        log.append(Finding("unseen-category", "test", len(examples), 0, action, tuple(examples[:MAX_EXAMPLES])))
