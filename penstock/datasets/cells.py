"""A cell of a table as any format writes it: a number, a text, or nothing."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from penstock.core.errors import BadInput

Cell: TypeAlias = float | str | None
"""What a file says: numbers where the format has them, texts, None for missing."""
MAX_CELL_CHARS = 10_000


def cell_of(value: Any, where: str, absent: Collection[str] = ()) -> Cell:
    """A value of a file or a correction as a cell: booleans and dates become texts; an empty text, and one of `absent`,
    is missing. Raises BadInput."""
    cell = _cell(value, where)
    if cell is None or not absent:
        return cell
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return None if text in absent else cell


def _cell(value: Any, where: str) -> Cell:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        number = float(value)
        if math.isinf(number):
            raise BadInput("the number is infinite", where=where, hint="leave it empty if it is not known")
        return None if math.isnan(number) else number
    if isinstance(value, date | datetime):
        return value.isoformat()
    if not isinstance(value, str):
        raise BadInput(f"holds {type(value).__name__}, not a number, text or date", where=where)
    text = value.strip()
    if len(text) > MAX_CELL_CHARS:
        raise BadInput(f"the cell is longer than {MAX_CELL_CHARS:,} characters", where=where, hint="leave it out")
    if "\0" in text:
        raise BadInput("the cell holds a NUL character", where=where, hint="save the file as text again")
    return text or None
