"""Weighs the signals and sets the threshold, on questions of train alone: each is asked as if it were not known.

A paraphrase is asked without itself: is its entry still found? It is asked without its entry: is the answer then
"don't know"? So no test question is needed to know how sure a score is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.models.protocol import Floats, Integers
from penstock.tasks.knowledge.model.index import CENTRE, COSINE, PIECES, SIGNALS, Index, asked_pieces, products
from penstock.tasks.knowledge.model.tokenizer import pieces
from penstock.tasks.knowledge.train.prior import Prior
from penstock.training.extras import training_libraries
from penstock.training.thresholds import at_threshold, pick_threshold

MOST_ROWS = 2_000
MOST_FITS = 4_000_000  # rows times entries: about 100 MB of signals
ENOUGH_ROWS = 50  # fewer found paraphrases cannot tell a precision of 95% from one of 85%
PULL = 0.5  # of the prior, in rows
SCALE = np.array([1.0, 1.0, 5.0, 1.0, 5.0, 5.0])  # a usual size of each weight, and of `none`

Exact = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cases:
    """Questions asked as if unknown. signals: (rows, entries, 5). own: (rows,) the entry of each, -1 for a question
    that none answers. found: (rows,) whether another question of its entry is left to find it by."""

    signals: Floats
    own: Integers
    found: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrated:
    """weights: (5,). rows: questions it was fitted on. precision, coverage: what the threshold gives there."""

    weights: Exact
    none: float
    threshold: float
    rows: int
    precision: float
    coverage: float


def make_cases(
    index: Index, unanswerable: Sequence[tuple[str, Floats | None]], seed: int, only: frozenset[str] | None = None
) -> Cases:
    """Ask the index its own questions (`only` these, None: all), and those that none of its entries answers, with
    their vectors."""
    owners = np.repeat(np.arange(len(index.entries)), [len(entry.questions) for entry in index.entries])
    most = max(200, min(MOST_ROWS, MOST_FITS // max(1, len(index.entries))))
    texts = [question for entry in index.entries for question in entry.questions]
    asked = [row for row, text in enumerate(texts) if only is None or text in only]
    chosen = np.sort(np.random.default_rng(seed).permutation(np.array(asked, dtype=np.int64))[:most])
    counts = np.bincount(owners, minlength=len(index.entries))
    rows = [_without_itself(index, texts[row], int(row), int(owners[row])) for row in chosen]
    rows += [index.signals(question, vector) for question, vector in unanswerable[:MOST_ROWS]]
    own = np.concatenate([owners[chosen], np.full(len(rows) - len(chosen), -1)])
    found = np.concatenate([counts[owners[chosen]] > 1, np.zeros(len(rows) - len(chosen), dtype=bool)])
    shape = (0, len(index.entries), len(SIGNALS))
    return Cases(np.stack(rows) if rows else np.zeros(shape, dtype=np.float32), own.astype(np.int64), found)


def calibrate(
    cases: Cases | None, used: Sequence[str], prior: Prior, *, target: float, out_of_scope: float
) -> Calibrated:
    """Weights of the signals `used`, and the least score that is right `target` of the time.

    out_of_scope: the share of questions that none answers, as expected in use. The likelihood of each question's
    entry (or of none) is maximised, pulled towards the prior as if by half a row, so that few questions move little.
    """
    mask = np.array([name in used for name in SIGNALS])
    start = np.append(np.where(mask, prior.weights, 0.0), prior.none)
    if cases is None or not cases.found.any():
        return Calibrated(start[:-1], prior.none, prior.threshold(target), 0, 0.0, 0.0)
    weights = _row_weights(cases, out_of_scope)
    solution = _fit(cases, weights, start, mask)
    tops = _tops(cases, solution)
    threshold, precision, coverage = pick_threshold(*tops, weights, target)
    if int(cases.found.sum()) < ENOUGH_ROWS:
        threshold = max(threshold if threshold <= 1 else 0.0, prior.threshold(target))
        precision, coverage = at_threshold(threshold, *tops, weights)
    return Calibrated(solution[:-1], float(solution[-1]), threshold, int(cases.found.sum()), precision, coverage)


def _without_itself(index: Index, question: str, row: int, own: int) -> Floats:
    """The signals (entries, 5) of question number `row`, were it not one of its entry's."""
    vectors = index.vectors
    vector = None if vectors is None else vectors.questions[row]
    signals = index.signals(question, vector)
    span = index.span(own)
    others = [other for other in range(span.start, span.stop) if other != row]
    rest = [index.entries[own].questions[other - span.start] for other in others]
    signals[own, PIECES] = index.pieces.score_of(asked_pieces(rest), pieces(question))
    if vectors is not None and vector is not None:
        nearest = float(products(vectors.questions[others], vector).max(initial=-1.0))
        mean = vectors.questions[others].sum(axis=0)
        length = float(np.sqrt((mean * mean).sum()))
        centre = float(mean @ vector) / length if length > 0 else -1.0
        signals[own, [COSINE, CENTRE]] = vectors.scaled(np.array([nearest, centre], dtype=np.float32))
    return signals


def _row_weights(cases: Cases, out_of_scope: float) -> tuple[Exact, Exact]:
    """Weights of the rows asked with their entry, and of all rows asked without: 1 - out_of_scope and out_of_scope.

    Questions known to have no answer weigh as much together as all those whose entry is hidden: the former are what
    customers ask, the latter are many.
    """
    inside = np.full(int(cases.found.sum()), (1 - out_of_scope) / int(cases.found.sum()))
    known = cases.own < 0
    outside = np.zeros(len(cases.own))
    for group in (known, ~known):
        if group.any():
            outside[group] = out_of_scope / group.sum() / (2 if known.any() and not known.all() else 1)
    return inside, outside


def _fits(cases: Cases, solution: Exact) -> tuple[Exact, Exact]:
    """Weighed signals (rows, entries): with each question's entry, of the rows that can be found; and without it."""
    fits = cases.signals @ solution[:-1]
    hidden = fits.copy()
    rows = np.flatnonzero(cases.own >= 0)
    hidden[rows, cases.own[rows]] = -1e9
    return fits[cases.found], hidden


def _tops(cases: Cases, solution: Exact) -> tuple[tuple[Exact, npt.NDArray[np.bool_]], Exact]:
    fits, hidden = _fits(cases, solution)
    found, missed = (_shares(each, solution[-1])[:, :-1] for each in (fits, hidden))
    return (found.max(axis=1), found.argmax(axis=1) == cases.own[cases.found]), missed.max(axis=1, initial=0.0)


def _shares(fits: Exact, none: float) -> Exact:
    """Softmax (rows, entries + 1) over the entries and none of them."""
    full = np.concatenate([fits, np.full((len(fits), 1), none)], axis=1)
    raised = np.exp(full - full.max(axis=1, keepdims=True))
    shares: Exact = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _fit(cases: Cases, weights: tuple[Exact, Exact], start: Exact, mask: npt.NDArray[np.bool_]) -> Exact:
    """The solution (6,): no signal may count against an entry."""
    with training_libraries("weighing signals"):
        from scipy.optimize import minimize

    strength = PULL / int(cases.found.sum()) / SCALE**2
    signals = cases.signals[cases.found], cases.signals
    truth = cases.own[cases.found], np.full(len(cases.own), len(cases.signals[0]))

    def loss_and_gradient(solution: Exact) -> tuple[float, Exact]:
        moved = solution - start
        loss = float((strength * moved * moved).sum() / 2)
        gradient = strength * moved
        for fits, own, shown, share in zip(_fits(cases, solution), truth, signals, weights, strict=True):
            shares = _shares(fits, solution[-1])
            each = np.arange(len(own))
            loss -= float((share * np.log(np.maximum(shares[each, own], 1e-12))).sum())
            shares[each, own] -= 1
            shares *= share[:, None]
            gradient[:-1] += np.einsum("re,ref->f", shares[:, :-1], shown)
            gradient[-1] += shares[:, -1].sum()
        gradient[:-1][~mask] = 0.0
        return loss, gradient

    bounds: list[Any] = [(0.0, None) if used else (0.0, 0.0) for used in mask] + [(None, None)]
    found: Exact = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found
