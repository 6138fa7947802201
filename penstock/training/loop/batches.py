"""How large a batch should be where its rows learn from each other."""

from __future__ import annotations


def even_batch(rows: int, most: int) -> int:
    """At most `most` rows, at least three quarters of it, so that the last batch of an epoch is as full as it can be:
    normalising over the batch, or telling its rows apart, learns nothing from a last batch of one."""
    if rows <= most:
        return max(1, rows)
    return max(range(max(1, 3 * most // 4), most + 1), key=lambda size: (((rows - 1) % size + 1) / size, size))
