"""Rows of a table for people."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

Cell: TypeAlias = str | int | float | Decimal | datetime | date | None
"""What stands in a cell: text as it is, numbers and moments as the table prints them, nothing for None."""

TableRow: TypeAlias = dict[str, Cell]
"""Column headings, in order, to what stands below them."""
