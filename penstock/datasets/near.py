"""Finds texts that are nearly equal: MinHash over character 5-grams, banded into buckets, then the exact overlap.

Broder 1997 (MinHash), Leskovec et al., Mining of Massive Datasets, ch. 3 (banding). Memory is bounded by chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GRAM = 5
THRESHOLD = 0.8  # Jaccard overlap of two texts' 5-grams
BANDS, BAND_ROWS = 16, 4  # a pair at 0.8 meets in a bucket with 99.98%, at 0.5 with 64%, at 0.3 with 12%
_BUCKET_NEIGHBOURS = 24  # of a larger bucket (boilerplate), each text meets only its next ones
_CHUNK_GRAMS = 2_000_000

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Grams:
    """Hashed character n-grams of many texts: text i has hashes[starts[i]:starts[i + 1]]."""

    hashes: _Hashes
    starts: npt.NDArray[np.int64]

    def of(self, index: int) -> _Hashes:
        return self.hashes[self.starts[index] : self.starts[index + 1]]


def grams_of(texts: Sequence[str], length: int) -> Grams:
    """The hashed n-grams of each text; a text shorter than `length` counts as one gram, padded with blanks."""
    padded = [text.ljust(length) for text in texts]
    sizes = np.fromiter((len(text) for text in padded), dtype=np.int64, count=len(padded))
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    windows = max(len(points) - length + 1, 0)
    rolled = np.zeros(windows, dtype=np.uint64)
    for offset in range(length):
        rolled = rolled * np.uint64(0x100000001B3) + points[offset : offset + windows]
    ends = np.cumsum(sizes)
    inside = np.ones(windows, dtype=bool)
    for back in range(1, length):  # windows that run over the end of a text belong to none
        crossing = ends[:-1] - back
        inside[crossing[crossing < windows]] = False
    starts = np.concatenate([[0], np.cumsum(sizes - length + 1)])
    return Grams(_mixed(rolled[inside]), starts)


def near_pairs(texts: Sequence[str], threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of normalised texts whose sets of 5-grams overlap by at least `threshold` (Jaccard).

    Finds a pair at the threshold with 99.98%. 13,000 short texts take about a second.
    """
    if len(texts) < 2:
        return []
    grams = grams_of(texts, GRAM)
    signatures = _signatures(grams)
    candidates = _candidates(signatures)
    alike = np.concatenate(
        [(signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1) for part in _parts(candidates, 100_000)]
    )
    likely = candidates[alike >= threshold - 0.2]  # the estimate's standard error is 0.05 at 0.8
    sets: dict[int, frozenset[int]] = {}

    def grams_at(index: int) -> frozenset[int]:
        if index not in sets:
            sets[index] = frozenset(grams.of(index).tolist())
        return sets[index]

    return [(i, j) for i, j in likely.tolist() if _jaccard(grams_at(i), grams_at(j)) >= threshold]


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _signatures(grams: Grams) -> npt.NDArray[np.uint64]:
    """(texts, BANDS * BAND_ROWS): for each of so many hash functions, the least value over a text's grams."""
    random = np.random.default_rng(20_260_101)
    size = BANDS * BAND_ROWS
    factors = random.integers(0, 2**63, size=size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = random.integers(0, 2**63, size=size, dtype=np.uint64)
    count = len(grams.starts) - 1
    signatures = np.empty((count, size), dtype=np.uint64)
    first = 0
    while first < count:
        last = int(np.searchsorted(grams.starts, grams.starts[first] + _CHUNK_GRAMS, side="right")) - 1
        last = min(max(last, first + 1), count)
        chunk = grams.hashes[grams.starts[first] : grams.starts[last]]
        offsets = grams.starts[first:last] - grams.starts[first]
        for place in range(size):
            signatures[first:last, place] = np.minimum.reduceat(chunk * factors[place] + shifts[place], offsets)
        first = last
    return signatures


def _candidates(signatures: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """(pairs, 2): texts that share a bucket in some band, each pair once, sorted."""
    count = len(signatures)
    found = [np.empty(0, dtype=np.int64)]
    for band in range(BANDS):
        keys = np.zeros(count, dtype=np.uint64)
        for place in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
            keys = _mixed(keys + signatures[:, place])
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for step in range(1, min(_BUCKET_NEIGHBOURS, count - 1) + 1):
            same = np.flatnonzero(ordered[:-step] == ordered[step:])
            if not len(same):
                break
            found.append(order[same] * count + order[same + step])  # stable sort: the lower index comes first
    pairs = np.sort(np.concatenate(found))
    pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])[: len(pairs)]]
    return np.stack([pairs // count, pairs % count], axis=1)


def _parts(pairs: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return [pairs[start : start + size] for start in range(0, max(len(pairs), 1), size)]


def _mixed(values: _Hashes) -> _Hashes:
    """Murmur3's finaliser: every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
