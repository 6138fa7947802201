"""Ranks rows whose label looks wrong, by confident learning over a cheap model's out-of-fold probabilities.

Northcutt, Jiang, Chuang 2021 (JAIR 70, "Confident Learning"). Nothing is dropped for it: people decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penstock.datasets.compare import normalise
from penstock.datasets.near import grams_of

FOLDS = 3
_HIGHEST_THRESHOLD = 0.9
_GRAM_LENGTHS = (2, 3, 4)
_BUCKETS = 1 << 15
_MAX_CHARS = 400  # of each text: enough to know its label by, and a bound on the time
_MAX_CELLS = 40_000_000  # classes x buckets, and rows x classes, in memory at once
_CHUNK_CELLS = 8_000_000
_TEMPERATURES: tuple[float, ...] = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 16.0)

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suspect:
    """Row `index` is labelled `label`, but its text speaks for `proposed`; confidence: the model's in `label`."""

    index: int
    text: str
    label: str
    proposed: str
    confidence: float


def suspects(texts: Sequence[str], labels: Sequence[str], probabilities: npt.NDArray[np.floating]) -> list[Suspect]:
    """The rows whose label is probably wrong, the least confident first.

    probabilities: (rows, classes) out of fold, columns in sorted order of the labels. A row is suspect when some
    other class is at least as probable as it is, on average, for the rows labelled with that class (the class's
    threshold), and more probable than the row's own label. Unlike in the paper no threshold is above 0.9: in a
    class that is easy to tell the mean is near 1, which a wrong row can hardly reach.
    """
    classes, own = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    if not len(texts):
        return []
    each = np.arange(len(texts))
    confidence = probabilities[each, own]
    thresholds = np.minimum(np.bincount(own, weights=confidence) / np.bincount(own), _HIGHEST_THRESHOLD)
    eligible = np.where(probabilities >= thresholds, probabilities, -1.0)
    eligible[each, own] = -1.0
    proposed = eligible.argmax(axis=1)
    rival = eligible[each, proposed]
    margin = rival - confidence
    chosen = np.flatnonzero((rival >= 0) & (margin > 0))
    ordered = chosen[np.lexsort((chosen, confidence[chosen], -margin[chosen]))]
    return [
        Suspect(int(i), texts[i], labels[i], str(classes[proposed[i]]), round(float(confidence[i]), 4)) for i in ordered
    ]


def out_of_fold(texts: Sequence[str], labels: Sequence[str], *, seed: int = 0) -> npt.NDArray[np.float32] | None:
    """(rows, classes) probabilities of each row by a model that has not seen it; None when it would be too large.

    The model is multinomial naive Bayes over hashed character 2- to 4-grams, its temperature set on the other
    rows' answers. 10,000 short texts in 77 classes take about two seconds.
    """
    classes, own = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    if len(classes) * max(_BUCKETS, len(texts)) > _MAX_CELLS:
        return None
    features, starts = _features(texts)
    folds = _folds(own, seed)
    scores = np.empty((len(texts), len(classes)), dtype=np.float32)
    for fold in range(FOLDS):
        weights = _log_likelihoods(features, starts, own, folds != fold, len(classes))
        _score(features, starts, np.flatnonzero(folds == fold), weights, scores)
    return _softmax(scores, _best_temperature(scores, own))


def _features(texts: Sequence[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Bucket numbers of the distinct n-grams of all texts, and where each text's begin."""
    short = [f" {normalise(text[:_MAX_CHARS])} " for text in texts]
    parts = [grams_of(short, length) for length in _GRAM_LENGTHS]
    owners = np.concatenate([np.repeat(np.arange(len(texts)), np.diff(part.starts)) for part in parts])
    buckets = np.concatenate([part.hashes for part in parts]) % np.uint64(_BUCKETS)
    cells = np.sort(owners * _BUCKETS + buckets.astype(np.int64))
    cells = cells[np.concatenate([[True], cells[1:] != cells[:-1]])]  # "!!!!!!!" is one sign, not seven
    sizes = np.bincount(cells // _BUCKETS, minlength=len(texts))
    return (cells % _BUCKETS).astype(np.int32), np.concatenate([[0], np.cumsum(sizes)])


def _folds(own: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp]:
    """A fold for each row, every class spread evenly over them."""
    shuffled = np.random.default_rng(seed).permutation(len(own))
    order = shuffled[np.argsort(own[shuffled], kind="stable")]
    folds = np.empty(len(own), dtype=np.intp)
    folds[order] = np.arange(len(own)) % FOLDS
    return folds


def _log_likelihoods(
    features: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    own: npt.NDArray[np.intp],
    used: npt.NDArray[np.bool_],
    classes: int,
) -> _Floats:
    """(buckets, classes): log probability of each n-gram in each class, from the used rows."""
    sizes = np.diff(starts)
    in_use = np.repeat(used, sizes)
    cells = features[in_use].astype(np.int64) * classes + np.repeat(own, sizes)[in_use]
    counts = np.bincount(cells, minlength=_BUCKETS * classes).reshape(_BUCKETS, classes).astype(np.float32)
    # smooth towards how frequent the n-gram is at all, so that common ones say little about small classes
    overall = (counts.sum(axis=1, keepdims=True) + 0.1) / (counts.sum() + 0.1 * _BUCKETS)
    strength = np.float32(0.05 * _BUCKETS)
    return np.asarray(np.log((counts + strength * overall) / (counts.sum(axis=0) + strength) / overall), np.float32)


def _score(
    features: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.intp],
    weights: _Floats,
    scores: _Floats,
) -> None:
    """Write the mean weight of each row's n-grams per class, times the root of their number, into `scores`."""
    classes = weights.shape[1]
    for group in np.array_split(rows, max(1, int((starts[-1] * classes) // _CHUNK_CELLS // FOLDS))):
        if not len(group):
            continue
        sizes = starts[group + 1] - starts[group]
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        places = np.repeat(starts[group] - offsets, sizes) + np.arange(sizes.sum())
        sums = np.add.reduceat(weights[features[places]], offsets, axis=0)
        scores[group] = sums / np.sqrt(sizes)[:, None]


def _best_temperature(scores: _Floats, own: npt.NDArray[np.intp]) -> float:
    """Of a few, the one under which the given labels are most probable (temperature scaling, Guo et al. 2017)."""
    each = np.arange(len(own))

    def loss(temperature: float) -> float:
        return -float(np.log(np.maximum(_softmax(scores, temperature)[each, own], 1e-12)).mean())

    return min(_TEMPERATURES, key=loss)


def _softmax(scores: _Floats, temperature: float) -> _Floats:
    scaled = scores / np.float32(temperature)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float32)
