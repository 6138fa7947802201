"""The rows that every text rung learns from: numbered, suspect labels dealt with, changed copies added, weighted.

Copies never judge: `held_out` leaves them out of what is held out, and out of what is fitted beside their own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.suspects import out_of_fold, suspects
from penstock.models.protocol import Floats, Integers
from penstock.tasks.text.data.options import TextOptions, read_options
from penstock.tasks.text.perturb import AUGMENTING
from penstock.training.records import TrainRequest
from penstock.training.rows import folds, numbered

SUSPECT_WEIGHT = 0.3
MOST_COPIES_TRIED = 4  # ways to change a text that has few letters, before it goes without a copy


@dataclass(frozen=True, eq=False)
class TextRows:
    """labels: all of the training's, sorted. texts: the rows, then the copies. truth: (rows,) class numbers.

    weights: (rows,) float32, 1 on average; all 1 where nothing asks for others. origin: (rows,) the training row that a
    row is, or is a copy of; below 0 for the words of a label. originals: how many come before the copies. notes: what
    was done, for people. read_at: where each training row was read, () where nobody knows.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    truth: Integers
    weights: Floats
    origin: Integers
    originals: int
    notes: tuple[str, ...] = ()
    read_at: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def called(self, row: int) -> str:
        """What people call the row: where it was read, or the label whose words it is."""
        of = int(self.origin[row])
        if of < 0:
            return f"the words of the label {self.labels[-1 - of]!r}"
        return (self.read_at[of] if len(self.read_at) else "") or f"number {of + 1}"


def text_rows(request: TrainRequest) -> TextRows:
    """The request's rows as its options (see TextOptions) want them; without options exactly the rows as they are.

    Raises BadInput for rows that cannot train.
    """
    options, labels, truth = _read(request)
    texts = tuple(request.train.texts)
    kept, weights, notes = _settle_suspects(texts, request.train.labels, truth, options, request.seed)
    texts, truth, weights = tuple(texts[row] for row in kept), truth[kept], weights[kept]
    if options.class_weights == "balanced":
        counts = np.bincount(truth, minlength=len(labels))
        weights = weights * (len(truth) / (len(labels) * counts)).astype(np.float32)[truth]
        notes.append(f"labels weigh alike: rows of the rarest count {counts.max() / counts.min():.3g} times as much")
    copied, of = _copies(texts, options.augment, request.seed)
    if options.augment:
        notes.append(f"{len(copied):,} changed copies added to {len(texts):,} rows")
    every = np.concatenate([np.arange(len(texts)), of])
    named = np.arange(len(labels)) if options.label_names else np.empty(0, dtype=np.int64)
    if options.label_names:
        notes.append("the words of each label learned as a row of it")
    weights = np.append(weights[every], np.ones(len(named), dtype=np.float32))
    return TextRows(
        labels=labels,
        texts=(*texts, *copied, *(words_of(labels[label]) for label in named.tolist())),
        truth=np.append(truth[every], named),
        weights=weights / weights.mean(),
        origin=np.append(kept[every], -1 - named),  # of no row: they are learned from whatever is held out
        originals=len(texts),
        notes=tuple(notes),
        read_at=request.train.origins,
    )


def check_rows(request: TrainRequest) -> None:
    """Raises BadInput for options that are none and for rows that cannot train."""
    _read(request)


def _read(request: TrainRequest) -> tuple[TextOptions, tuple[str, ...], Integers]:
    options = read_options(request.options)
    labels, truth = numbered(request.train)
    for row, text in enumerate(request.train.texts):
        if not isinstance(text, str):
            raise BadInput("this rung learns from texts", where=f"train row {row + 1}")
    return options, labels, truth


def words_of(label: str) -> str:
    """A label as people would say it: "card_arrival" is "card arrival"."""
    return " ".join(label.replace("_", " ").replace("-", " ").split()) or label


def held_out(rows: TextRows, most: int, seed: int) -> list[tuple[Integers, Integers]]:
    """(rows to fit, rows held out) per fold, stratified as `folds` does it. Only rows as people wrote them are held
    out, and none is fitted whose original is."""
    found = []
    for _, held in folds(rows.truth[: rows.originals], most, seed):
        fitted = ~np.isin(rows.origin, rows.origin[held])
        found.append((np.flatnonzero(fitted), held))
    return found


def _settle_suspects(
    texts: Sequence[str], named: Sequence[str], truth: Integers, options: TextOptions, seed: int
) -> tuple[Integers, Floats, list[str]]:
    """The rows to keep, a weight for every row, and what to say of it."""
    weights, everything = np.ones(len(texts), dtype=np.float32), np.arange(len(texts))
    if options.suspect_labels == "keep":
        return everything, weights, []
    probabilities = out_of_fold(texts, named, seed=seed)
    if probabilities is None:
        return everything, weights, ["suspect labels were not looked for: too many rows times labels"]
    found = np.array([one.index for one in suspects(texts, named, probabilities)], dtype=np.int64)
    if options.suspect_labels == "down-weight":
        weights[found] = SUSPECT_WEIGHT
        return everything, weights, [f"{len(found):,} rows with suspect labels weigh {SUSPECT_WEIGHT:g}"]
    gone, left = np.zeros(len(texts), dtype=np.bool_), np.bincount(truth)
    for row in found.tolist():  # the most suspect first
        if left[truth[row]] > 2:  # every label needs two rows
            gone[row], left[truth[row]] = True, left[truth[row]] - 1
    return np.flatnonzero(~gone), weights, [f"{gone.sum():,} rows with suspect labels removed"]


def _copies(texts: Sequence[str], share: float, seed: int) -> tuple[list[str], Integers]:
    """Changed copies, and the row each is of: every row in turn, in shuffled order. A text that no change alters, such
    as a single letter, gets none."""
    draw = np.random.default_rng([seed, 1])
    wanted = round(share * len(texts))
    turns = [draw.permutation(len(texts)) for _ in range(-(-wanted // len(texts)))]
    copied, of = [], []
    for row in np.concatenate(turns)[:wanted].tolist() if turns else []:
        for way in draw.permutation(len(AUGMENTING))[:MOST_COPIES_TRIED]:
            changed = AUGMENTING[way](texts[row], draw)
            if changed != texts[row] and changed.strip():
                copied.append(changed)
                of.append(row)
                break
    return copied, np.array(of, dtype=np.int64)
