"""Decides what each column of a read table is, and turns its cells into typed values. Nothing is guessed silently:
columns that are no inputs are named with the reason.

It sees one file's records at a time and the kinds found in train; it knows no targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.tabular.reading import Record
from penstock.datasets.tabular.schema import MOST, Column, Kind, Value, date_text, finite

MOST_CATEGORIES = 255
FEW_CATEGORIES = 20  # so few are never taken for free text, however few the rows
NUMBERS_MEANT = 0.95  # where so much of a column is numbers, a word in it is a slip and no category
LONG_TEXT = 60  # characters on average: sentences, not names of categories


@dataclass(frozen=True)
class Plan:
    """kinds: the inputs. left_out: columns that are no inputs, and why."""

    kinds: Mapping[str, Kind]
    left_out: Mapping[str, str]


def plan_columns(records: Sequence[Record], types: Mapping[str, Kind], outside: Sequence[str]) -> Plan:
    """What the columns are. outside: names not looked at. Raises BadInput where a column contradicts itself."""
    names = dict.fromkeys(name for record in records for name in record.cells)
    kinds: dict[str, Kind] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if name in outside:
            continue
        found = types.get(name) or _kind_of(name, records)
        if found in ("number", "category", "date"):
            kinds[name] = found  # type: ignore[assignment]
        else:
            left_out[name] = found
    return Plan(kinds, left_out)


def typed(record: Record, kinds: Mapping[str, Kind], zeros: Sequence[str] = ()) -> dict[str, Value]:
    """The row's inputs. zeros: columns whose zero stands for a missing value. Raises BadInput at file:line."""
    values: dict[str, Value] = {}
    for name, kind in kinds.items():
        value = _typed(record.cells.get(name), kind, f"{record.origin}: {name}")
        values[name] = None if name in zeros and value == 0 else value
    return values


def suspicious_zeros(name: str, values: Sequence[Value]) -> int:
    """How many zeros stand far below all other values of a column of positive numbers; 0 where none do.

    Far: the gap between zero and the least other value is at least 5 usual steps between neighbouring values and a
    tenth of the median (Pima's blood pressure: 0, then 24, 30, 38, ...), and it happens more than once.
    """
    numbers = np.array([value for value in values if isinstance(value, float)])
    zeros, others = int((numbers == 0).sum()), np.unique(numbers[numbers != 0])
    if zeros < 2 or len(others) < 10 or others[0] <= 0:
        return 0
    step = float(np.median(np.diff(others)))
    return zeros if others[0] >= max(5 * step, 0.1 * float(np.median(numbers[numbers != 0]))) else 0


def problem_with(value: object, column: Column) -> tuple[str, str] | None:
    """What is wrong with a wire value of a column, and what to do; None where nothing is."""
    if value is None:
        if column.missing > 0:
            return None
        return "must not be null", "no row of the training data lacked it, so the model cannot do without it"
    if column.kind == "number":
        return _number_problem(value)
    if column.kind == "date":
        if isinstance(value, str) and date_text(value) is not None:
            return None
        return "must be a date", 'send e.g. "2026-11-05" or "2026-11-05T09:30:00"'
    if category_of(value) in column.categories:
        return None
    if not isinstance(value, str | bool | int):
        return f"must be a text, not {_json_type(value)}", _known(column)
    return f"has a category that training never saw: {str(value)[:60]!r}", _known(column)


def value_of(value: object, column: Column) -> Value:
    """A wire value without problem, typed."""
    if value is None:
        return None
    if column.kind == "number":
        return float(value)  # type: ignore[arg-type]
    return date_text(str(value)) if column.kind == "date" else category_of(value)


def category_of(value: object) -> str:
    """A category as rows keep it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _number_problem(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {_json_type(value)}", "send it without quotes, or null if it is not known"
    if isinstance(value, int) and abs(value) > MOST:
        return f"must lie between -{MOST:.0e} and {MOST:.0e}", "check its unit"
    if not finite(value):
        return f"must be a finite number between -{MOST:.0e} and {MOST:.0e}", "send null if it is not known"
    return None


def _typed(cell: Value, kind: Kind, where: str) -> Value:
    if cell is None:
        return None
    if kind == "category":
        return category_of(cell)
    if kind == "date":
        moment = date_text(cell) if isinstance(cell, str) else None
        if moment is None:
            hint = "write it as 2026-11-05; or say what the column is: types = { ... }"
            raise BadInput(f"{str(cell)[:60]!r} is no date, as the rest of the column is", where=where, hint=hint)
        return moment
    number = _number(cell)
    if number is None:
        hint = 'correct it, leave it empty, or say what the column is: types = { ... = "category" }'
        raise BadInput(f"{str(cell)[:60]!r} is no number, as the rest of the column is", where=where, hint=hint)
    if not finite(number):
        raise BadInput(f"the number {number:g} cannot be used", where=where, hint="leave it empty if it is not known")
    return number


def _kind_of(name: str, records: Sequence[Record]) -> str:
    """The kind of a column, or why it is none: words for people."""
    cells = [cell for record in records if (cell := record.cells.get(name)) is not None]
    if not cells:
        return "always empty"
    counts = Counter(cells)
    if len(counts) == 1 and len(cells) == len(records):
        return "always the same"
    numbers = sum(counts[cell] for cell in counts if _number(cell) is not None)
    if numbers >= NUMBERS_MEANT * len(cells):
        whole = numbers == len(cells) and all(float(cell).is_integer() for cell in counts)
        return "an identifier" if whole and _looks_like_key(name, len(counts), len(cells)) else "number"
    texts = [cell for cell in counts if isinstance(cell, str)]
    dates = sum(date_text(text) is not None for text in texts)
    if dates >= NUMBERS_MEANT * len(counts):
        return "date"
    if len(counts) > FEW_CATEGORIES and len(counts) > len(cells) / 2:
        return "an identifier or free text"
    if len(counts) > FEW_CATEGORIES and np.mean([len(text) for text in texts]) > LONG_TEXT:
        return "free text"
    if len(counts) > MOST_CATEGORIES:
        return f"{len(counts):,} categories, more than {MOST_CATEGORIES}"
    return "category"


def _looks_like_key(name: str, distinct: int, present: int) -> bool:
    """A number that differs in every row, and is called so."""
    plain = name.lower()
    named = plain in ("id", "index", "no", "nr", "number", "unnamed: 0") or plain.endswith(("_id", "-id", " id"))
    return distinct == present and present > FEW_CATEGORIES and (named or name.endswith(("ID", "Id")))


def _number(cell: Value) -> float | None:
    if isinstance(cell, float | int):
        return float(cell)
    try:
        return float(cell) if cell is not None and "_" not in cell else None
    except ValueError:
        return None


def _json_type(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", str: "text"}
    return kinds.get(type(value), type(value).__name__)


def _known(column: Column) -> str:
    shown = ", ".join(map(repr, column.categories[:12]))
    more = f" and {len(column.categories) - 12} more" if len(column.categories) > 12 else ""
    return f"it is one of {shown}{more}"
