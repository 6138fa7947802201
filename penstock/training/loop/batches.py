"""How large a batch should be where its rows learn from each other."""

from __future__ import annotations


def even_batch(rows: int, most: int) -> int:
    """The largest size up to `most`, down to three quarters of it, whose last batch of an epoch is at least half full:
    normalising over the batch, or telling its rows apart, learns nothing from a last batch of one."""
    if rows <= most:
        return max(1, rows)
    sizes = range(most, max(1, 3 * most // 4) - 1, -1)
    return next((size for size in sizes if 2 * _last(rows, size) >= size), max(sizes, key=lambda s: _last(rows, s) / s))


def _last(rows: int, size: int) -> int:
    return (rows - 1) % size + 1
