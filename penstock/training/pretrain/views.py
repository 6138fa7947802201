"""Random parts of texts as padded batches, drawn from torch's generator: it is seeded at every step of the loop, so a
resumed training sees what it would have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.models.protocol import Integers
from penstock.training.pretrain.words import PAD, Tokens

LEAST_PART = 6  # tokens: shorter texts are seen whole


def windows(tokens: Tokens, rows: Sequence[int], longest: int) -> Any:
    """(n, tokens): of each text a stretch of at most `longest` tokens from anywhere in it."""
    lengths = tokens.lengths[rows]
    sizes = np.minimum(lengths, longest)
    return _padded(tokens, rows, _starts(lengths - sizes), sizes)


def parts(tokens: Tokens, rows: Sequence[int], longest: int) -> Any:
    """(n, tokens): of each text a stretch of a quarter to three quarters of it, at most `longest` tokens."""
    lengths = tokens.lengths[rows]
    shares = 0.25 + 0.5 * _uniform(len(lengths))
    sizes = np.clip((shares * lengths).astype(np.int64), np.minimum(lengths, LEAST_PART), longest)
    return _padded(tokens, rows, _starts(lengths - sizes), sizes)


def _starts(room: Integers) -> Integers:
    """A first place in 0 to room, inclusive, for each."""
    found: Integers = np.minimum((_uniform(len(room)) * (room + 1)).astype(np.int64), room)
    return found


def _uniform(count: int) -> Any:
    import torch

    return torch.rand(count).numpy()


def _padded(tokens: Tokens, rows: Sequence[int], firsts: Integers, sizes: Integers) -> Any:
    import torch

    ids = np.full((len(rows), int(sizes.max())), PAD, dtype=np.int64)
    begins = tokens.starts[rows] + firsts
    for row, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        ids[row, :size] = tokens.flat[begin : begin + size]
    return torch.from_numpy(ids)
