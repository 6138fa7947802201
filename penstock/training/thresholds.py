"""Picks the score from which on a model answers, for any task that may say "don't know"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from penstock.models.protocol import NEVER

Exact = npt.NDArray[np.float64]


def pick_threshold(
    found: tuple[Exact, npt.NDArray[np.bool_]], missed: Exact, weights: tuple[Exact, Exact], target: float
) -> tuple[float, float, float]:
    """(threshold, precision, coverage): the lowest score from which on the answers are right `target` of the time.

    found: top scores of questions whose entry is there, and whether it is that entry's. missed: top scores of questions
    that none answers. weights: of the rows of each. One wrong answer more is counted than was seen, as in conformal
    prediction (Vovk 2005): else a handful of lucky rows would promise everything.
    """
    scores = np.concatenate([found[0], missed])
    right = np.concatenate([found[1].astype(np.float64) * weights[0], np.zeros(len(missed))])
    shares = np.concatenate(weights)
    order = np.argsort(-scores, kind="stable")
    scores, right, shares = scores[order], np.cumsum(right[order]), np.cumsum(shares[order])
    one_more = float(np.concatenate(weights).mean())
    last = np.append(scores[1:] < scores[:-1], True)  # a threshold cannot part equal scores
    good = np.flatnonzero(last & (right / (shares + one_more) >= target))
    if not len(good):
        return NEVER, 0.0, 0.0
    place = int(good[-1])
    return float(scores[place]), float(right[place] / shares[place]), float(shares[place] / shares[-1])


def at_threshold(
    threshold: float, found: tuple[Exact, npt.NDArray[np.bool_]], missed: Exact, weights: tuple[Exact, Exact]
) -> tuple[float, float]:
    """(precision, coverage) at a threshold, of what `pick_threshold` takes; (0, 0) where nothing is answered."""
    answered = found[0] >= threshold, missed >= threshold
    share = float(weights[0][answered[0]].sum() + weights[1][answered[1]].sum())
    right = float(weights[0][answered[0] & found[1]].sum())
    return (right / share, share / float(np.concatenate(weights).sum())) if share > 0 else (0.0, 0.0)
