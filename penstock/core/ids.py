"""Ids come from an injected source: `ids("cus")` -> 'cus_01k9…', sortable by time of making."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

Ids = Callable[[str], str]
"""Called with a short prefix, answers a new unique id `prefix_…`."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u


def random_ids(prefix: str) -> str:
    """48 bits of milliseconds, then 80 random bits, in base 32: 26 characters after the prefix."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def counting_ids() -> Ids:
    """A source that counts per prefix ('cus_0001', 'cus_0002', …): for readable tests."""
    counts: dict[str, int] = {}

    def make(prefix: str) -> str:
        counts[prefix] = counts.get(prefix, 0) + 1
        return f"{prefix}_{counts[prefix]:04d}"

    return make
