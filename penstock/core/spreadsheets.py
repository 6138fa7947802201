"""CSV that people open in a spreadsheet: a mark that says it is UTF-8, and cells that are never run as formulas."""

from __future__ import annotations

from typing import Any

BOM = "\ufeff"
"""Without it Excel takes a CSV for the machine's old code page, and Chinese names become noise."""


def inert(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe (CWE-1236); anything else is unchanged."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
