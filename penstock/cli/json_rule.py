"""What --json may print: typed values under stable snake_case keys, never the screen's words. Tests hold every command
to it (tests/conftest.py); at run time nothing is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_KEY = re.compile(r"[a-z][a-z0-9_]*")
_RANGE = re.compile(r"-?[\d.,]+%?\s+(to|–|—)\s+-?[\d.,]+%?")
_PERCENT = re.compile(r"-?[\d.,]+ ?%")
NAMED = frozenset(
    {
        *("input", "output", "message", "answer", "probabilities", "labels", "aliases", "limits", "includes"),
        *("metrics", "parameters", "options", "recipes", "curves", "columns", "before", "after", "gave_none"),
    }
)
"""Keys whose values are a customer's own words, or mappings by names that people chose: labels, columns, products."""


def faults(value: Any, path: str = "", *, currency: bool = False) -> Iterator[str]:
    """What in a JSON value is of the screen: "rows[0].p95 ms: not a snake_case key".

    currency: an object around it names the currency of its minor units.
    """
    if isinstance(value, dict):
        currency = currency or "currency" in value
        for key, inner in value.items():
            here = f"{path}.{key}".lstrip(".")
            if not _KEY.fullmatch(key):
                yield f"{here}: not a snake_case key"
            if key.endswith("_minor") and not currency:
                yield f"{here}: minor units of no currency"
            if key not in NAMED:
                yield from faults(inner, here, currency=currency)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from faults(inner, f"{path}[{index}]", currency=currency)
    elif isinstance(value, str) and (_RANGE.fullmatch(value) or _PERCENT.fullmatch(value)):
        yield f"{path}: {value!r} is the screen's text, not a value"
