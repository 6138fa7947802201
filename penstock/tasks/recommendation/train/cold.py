"""Items without a past, judged by their text: how loud they may be is chosen with items that are hidden on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.recommendation.model.histories import Places
from penstock.tasks.recommendation.model.neighbours import MOST, POWER, Neighbours
from penstock.tasks.recommendation.ranking import FIRST, places_of, quality_of
from penstock.tasks.recommendation.train.counting import MOST_SEARCHED, learned_items
from penstock.tasks.recommendation.train.judging import History, Judged, history_rows
from penstock.tasks.recommendation.train.log import Held
from penstock.tasks.recommendation.train.sequence import Settings, fit_weights

HIDDEN = 0.1  # of the learned items
BLENDS = (0.0, 0.2, 0.4, 0.8)
BOOSTS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Loudness:
    """blend, boost: see Neighbours. judged: on known items. hits: of hidden items among all; among_new: among the
    hidden alone, with what chance and the popularity of their neighbours reach there."""

    blend: float
    boost: float
    judged: Judged
    hits: float
    among_new: float
    chance: float
    popular: float
    hidden: int
    users: int


def nearest_by_text(vectors: Floats, learned: Integers) -> tuple[Places, Floats]:
    """Every item's nearest learned items (n, m) and their shares (n, m); an item is not its own neighbour.

    The same as neighbours.nearest, for all items at once. vectors: (n, hidden) unit vectors.
    """
    count = min(MOST, len(learned))
    near = np.empty((len(vectors), count), dtype=np.int32)
    shares = np.empty((len(vectors), count), dtype=np.float32)
    own = np.full(len(vectors), -1)
    own[learned] = np.arange(len(learned))
    for start in range(0, len(vectors), _AT_ONCE):
        alike = np.maximum(vectors[start : start + _AT_ONCE] @ vectors[learned].T, 0.0)
        mine = own[start : start + _AT_ONCE]
        alike[np.flatnonzero(mine >= 0), mine[mine >= 0]] = 0.0
        rows = np.sort(np.argsort(-alike, axis=1, kind="stable")[:, :count], axis=1)
        raised = np.take_along_axis(alike, rows, axis=1).astype(np.float64) ** POWER
        total = raised.sum(axis=1, keepdims=True)
        near[start : start + _AT_ONCE] = learned[rows]
        shares[start : start + _AT_ONCE] = raised / np.where(total > 0, total, 1.0)
    return near, shares


def choose_loudness(
    held: Held, vectors: Floats, settings: Settings, way: History, *, cost: float, seed: int
) -> Loudness:
    """Hide a tenth of the items, learn from the rest, and see who is guessed. vectors: of all items (size, hidden).

    cost: the share of the nDCG of known items that new ones may take. On MovieLens 0.02 and 0.1 of it buy a hit rate
    of .003 and .051 of films that nobody in train has rated among all films, where chance gives .001 (one seed).
    """
    known = learned_items(held.log, MOST_SEARCHED)
    hidden = np.sort(np.random.default_rng(seed).permutation(known)[: max(1, int(HIDDEN * len(known)))])
    is_hidden = np.zeros(held.log.size, dtype=bool)
    is_hidden[hidden] = True
    visible = Held(held.log.where(~is_hidden[held.log.items]), held.users, held.targets)
    learned = np.setdiff1d(known, hidden)
    weights = fit_weights(visible.log, learned, settings)
    all_items = np.concatenate((learned, hidden))
    near, shares = nearest_by_text(vectors[all_items], np.arange(len(learned)))
    new = np.arange(len(all_items)) >= len(learned)
    place = np.full(held.log.size, -1)
    place[all_items] = np.arange(len(all_items))

    def answers(who: Held, blend: float, boost: float) -> Floats:
        past = np.zeros((len(who.users), len(all_items)), dtype=np.float32)
        rows = history_rows(who, learned, way)
        past[:, : len(learned)] = rows @ weights
        text = Neighbours(near, shares, np.arange(len(learned), dtype=np.int32), vectors[:0], new, blend, boost)
        scores = np.stack([text.heard(row) for row in past])
        scores[:, : len(learned)][history_rows(who, learned, History(1.0, 0.0)) > 0] = -np.inf
        return scores

    warm = place[held.targets]
    warm = np.where(is_hidden[held.targets], -1, warm)
    blend = max(BLENDS, key=lambda tried: quality_of(places_of(answers(visible, tried, 0.0), warm))[0])
    reached = {boost: quality_of(places_of(answers(visible, blend, boost), warm)) for boost in (0.0, *BOOSTS)}
    loud = [boost for boost in BOOSTS if reached[boost][0] >= (1 - cost) * reached[0.0][0]]
    boost = loud[-1] if loud else BOOSTS[0]
    guesses = _hidden_targets(held, is_hidden)
    cold = place[guesses.targets]
    scores = answers(guesses, blend, boost) if len(cold) else np.zeros((0, len(all_items)), dtype=np.float32)
    alone = scores[:, len(learned) :]
    popular = (visible.log.counts[learned].astype(np.float32)[near] * shares).sum(axis=1)[len(learned) :]
    again = np.broadcast_to(popular, alone.shape)
    return Loudness(
        blend=blend,
        boost=boost,
        judged=Judged(way, *reached[boost]),
        hits=quality_of(places_of(scores, cold))[1],
        among_new=quality_of(places_of(alone, cold - len(learned)))[1],
        chance=min(1.0, FIRST / len(hidden)),
        popular=quality_of(places_of(again, cold - len(learned)))[1],
        hidden=len(hidden),
        users=len(cold),
    )


def _hidden_targets(held: Held, is_hidden: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Held:
    """Held-out users who know a hidden item: the last of these is the target, the visible ones before it the past."""
    log = held.log
    kept = np.zeros(len(log.items), dtype=bool)
    users, targets = [], []
    for user in held.users.tolist():
        own = np.arange(log.starts[user], log.starts[user + 1])
        found = own[is_hidden[log.items[own]]]
        if len(found) and found[-1] > own[0]:
            past = own[: found[-1] - own[0]]
            past = past[~is_hidden[log.items[past]]]
            if len(past):
                kept[past] = True
                users.append(user)
                targets.append(log.items[found[-1]])
    return Held(log.where(kept), np.array(users, dtype=np.int64), np.array(targets, dtype=np.int64))
