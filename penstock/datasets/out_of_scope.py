"""Texts that a product should not answer: how the options name them, and how they are read and set aside.

Half of them calibrate when to say "don't know", the other half tests it; a model never learns from either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from penstock.core.errors import BadInput
from penstock.datasets.compare import normalise
from penstock.datasets.report import MAX_EXAMPLES, Example, Finding, Part, shortened
from penstock.datasets.rows import Row
from penstock.datasets.splits import place_of
from penstock.workspace.records import Record
from penstock.workspace.values import Ratio

OUT_OF_SCOPE = "out-of-scope"
_TESTED_SHARE = 0.5


class OutOfScope(Record):
    """Options of a task that may say "don't know". target_precision: of what is answered in use, so much should be
    right. out_of_scope_share: of the inputs in use, so many should not be answered at all. out_of_scope: a file of such
    inputs."""

    target_precision: Ratio = Field(default=0.95, ge=0.5, le=0.999)
    out_of_scope_share: float = Field(default=0.3, ge=0.0, le=0.9)
    out_of_scope: str | None = None


def parted(
    rows: Sequence[Row], known: Sequence[Row], max_chars: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[Finding, ...]]:
    """(rows to calibrate by, rows to test with, findings), each row without a label, in canonical order.

    Texts that are empty, over-long, repeated, or also in `known` (labelled rows) are dropped and counted. Raises
    BadInput where none is left.
    """
    log: list[Finding] = []
    labelled, seen = {normalise(row.text) for row in known}, dict[str, Row]()
    unfit, repeats, inside = list[Row](), list[Row](), list[Row]()
    for row in rows:
        form = normalise(row.text)
        if not form or len(row.text) > max_chars:
            unfit.append(row)
        elif form in labelled:
            inside.append(row)
        elif form in seen:
            repeats.append(row)
        else:
            seen[form] = row
    _note(log, "empty", "train", unfit, "dropped, as are over-long ones: out-of-scope texts", dropped=True)
    _note(log, "duplicate", "train", repeats, "dropped: out-of-scope texts", dropped=True)
    _note(log, "in-scope", "train", inside, "dropped from the out-of-scope texts", dropped=True)
    if not seen:
        where = rows[0].origin.rpartition(":")[0] if rows else ""
        raise BadInput("no out-of-scope texts are left", where=where, hint="give texts that no label fits")
    parts: tuple[list[Row], list[Row]] = ([], [])
    for form in sorted(seen):
        parts[place_of(seen[form].text, seed) < _TESTED_SHARE].append(seen[form])
    _note(log, OUT_OF_SCOPE, "train", parts[0], 'never learned: they calibrate when to say "unsure"')
    _note(log, OUT_OF_SCOPE, "test", parts[1], 'to test whether "unsure" is said')
    calibrating, testing = ([_unlabelled(row) for row in part] for part in parts)
    return calibrating, testing, tuple(log)


def _unlabelled(row: Row) -> dict[str, Any]:
    return {"text": row.text, "label": None, "origin": row.origin, "customer": None}


def _note(
    log: list[Finding], kind: str, part: Part, rows: Sequence[Row], action: str, *, dropped: bool = False
) -> None:
    if rows:
        shown = tuple(Example(row.origin, shortened(row.text), "") for row in rows[:MAX_EXAMPLES])
        log.append(Finding(kind, part, len(rows), len(rows) * dropped, action, shown))


def read_unlabelled(path: Path, column: str) -> list[Row]:
    """The texts of a file, without labels. Raises BadInput at file:line."""
    from penstock.datasets.readers import iter_texts

    return [Row(text, "", origin) for origin, text in iter_texts(path, column)]
