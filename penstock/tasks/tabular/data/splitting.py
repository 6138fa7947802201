"""Sets test rows of a table aside by time, by group or by the hash of inputs, so that equal inputs stay on one side."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.errors import BadInput
from penstock.core.hashing import canonical_json
from penstock.datasets.dates import ORDERS, date_text
from penstock.datasets.numbers import PLAIN, form_from, number_of
from penstock.datasets.report import MAX_EXAMPLES, Finding
from penstock.tasks.tabular.data.near import near_repeats
from penstock.tasks.tabular.data.options import TableOptions
from penstock.tasks.tabular.data.reading import Record
from penstock.tasks.tabular.data.targets import Row, example

FEW_DISTINCT = 0.2  # where more of test's rows repeat train rows, the table may have few distinct rows, and no copies


def set_aside(rows: list[Row], options: TableOptions, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, test): the latest rows by time, else the hash of the group or of the inputs below the share."""
    if options.time:
        try:
            times = sorted(row["time"] for row in rows)
        except TypeError:
            hint = "write all of them as dates, or all as numbers"
            raise BadInput(
                "dates and numbers are mixed in the time to split by", where=options.time, hint=hint
            ) from None
        first = times[min(len(times) - 1, math.ceil(len(times) * (1 - share)))] if times else None
        later = [row["time"] >= first for row in rows]
        return _parts(rows, later)
    places = [_place(row["group"] if options.group else row["values"], seed) for row in rows]
    is_test = [place < share for place in places]
    if not options.group:
        _both_parts(rows, places, is_test)
    return _parts(rows, is_test)


def _both_parts(rows: list[Row], places: list[float], is_test: list[bool]) -> None:
    """Every label of two rows or more gets a row in each part (as texts do); numbers together are one label."""
    by_label: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        by_label.setdefault(row["target"] if isinstance(row["target"], str) else "", []).append(index)
    for indices in by_label.values():
        chosen = {is_test[index] for index in indices}
        if len(indices) > 1 and len(chosen) == 1:
            ordered = sorted(indices, key=lambda index: places[index])
            crossing = ordered[-1] if chosen == {True} else ordered[0]
            is_test[crossing] = not is_test[crossing]


def moment(record: Record, column: str, form: str = "") -> str | float:
    """What rows are ordered by in time: an ISO date, or a number (a year, a running number). form: how it is written,
    "" plainly."""
    cell = record.cells.get(column)
    place = f"{record.origin}: {column}"
    if cell is None:
        raise BadInput("the row has no time to split by", where=place, hint="fill it in, or leave `time` out")
    if isinstance(cell, float):
        return cell
    moment = date_text(cell, form if form in ORDERS else "")
    number = number_of(cell, form_from(form) if form and form not in ORDERS else PLAIN)
    found = number if moment is None else moment
    if found is None:
        hint = f"is {column!r} the column of times? Leave `time` out to split by content"
        raise BadInput(f"{cell[:60]!r} is neither a date nor a number", where=place, hint=hint)
    return found


def _place(content: Any, seed: int) -> float:
    """A number in [0, 1) that the content and the seed alone decide."""
    digest = hashlib.sha256(f"{seed}\n".encode() + canonical_json(content)).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _parts(rows: list[Row], is_test: Sequence[bool]) -> tuple[list[Row], list[Row]]:
    plain = [{key: value for key, value in row.items() if key != "time"} for row in rows]
    pairs = list(zip(plain, is_test, strict=True))
    return [row for row, test in pairs if not test], [row for row, test in pairs if test]


def not_tested(train: list[Row], test: list[Row], log: list[Finding]) -> list[Row]:
    """Train without rows that test repeats in every input, unless the table has few distinct rows anyway."""
    train = _parts(train, [False] * len(train))[0]
    test[:] = _parts(test, [False] * len(test))[0]
    known = {canonical_json(row["values"]): row for row in test}
    both = [row for row in train if canonical_json(row["values"]) in known]
    if not both:
        return train
    examples = tuple(example(row) for row in both[:MAX_EXAMPLES])
    if _few_distinct(train, known):
        action = "kept: the table has few distinct rows"
        log.append(Finding("test-in-train", "train", len(both), 0, action, examples))
        return train
    log.append(Finding("test-in-train", "train", len(both), len(both), "dropped from train, kept in test", examples))
    return [row for row in train if canonical_json(row["values"]) not in known]


def _few_distinct(train: Sequence[Row], known: Mapping[bytes, Row]) -> bool:
    """Whether train and test share rows because there are few different ones, and not because somebody copied them.

    Then train's rows also repeat each other, those too that test lacks. known: test's rows by their inputs.
    """
    counts = Counter(canonical_json(row["values"]) for row in train)
    shared = sum(key in known for key in counts) / len(known)
    others = [count for key, count in counts.items() if key not in known]
    repeating = sum(count for count in others if count > 1) / max(1, sum(others))
    return shared > FEW_DISTINCT and repeating >= shared / 4


def not_nearly_tested(
    train: list[Row], fresh: list[Row], test: Sequence[Row], log: list[Finding], *, drop: bool
) -> tuple[list[Row], list[Row]]:
    """(train, feedback) without rows that nearly repeat a test row: a model would know its label by heart. drop: False
    counts them only; the gate then refuses a test that training has seen too much of."""
    rows = [*train, *fresh]
    found = near_repeats([row["values"] for row in test], [row["values"] for row in rows])
    equal = {canonical_json(row["values"]) for row in test}  # those are few by nature, or have left already
    gone = {at: of for at, of in found.items() if canonical_json(rows[at]["values"]) not in equal}
    for part, start, end in (("train", 0, len(train)), ("feedback", len(train), len(rows))):
        near = [at for at in sorted(gone) if start <= at < end]
        examples = tuple(replace(example(rows[at]), other=test[gone[at]]["origin"]) for at in near[:MAX_EXAMPLES])
        if near:
            action = "dropped" if drop else "kept; drop_near_test = true would drop them"
            log.append(Finding("near-test", part, len(near), drop * len(near), action, examples))  # type: ignore[arg-type]
    if not drop:
        return train, fresh
    kept = [
        [row for at, row in enumerate(rows) if at not in gone and (at < len(train)) is first] for first in (True, False)
    ]
    return kept[0], kept[1]
