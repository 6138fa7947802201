"""The rungs of recommendation, from counting to text: each chooses its settings on users held out of train, then
learns from all of them. Randomness comes from the request's seed; the test is never looked at."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Integers, Parts
from penstock.tasks.recommendation.data.options import RecommendationOptions
from penstock.tasks.recommendation.model.files import (
    HYBRID,
    ITEM_ITEM,
    POPULARITY,
    SEQUENCE,
    open_parts,
    settings_of,
    to_files,
)
from penstock.tasks.recommendation.model.neighbours import Neighbours
from penstock.tasks.recommendation.model.recommender import Recommender
from penstock.tasks.recommendation.model.sparse import Sparse, sparse_of
from penstock.tasks.recommendation.ranking import FIRST, places_of, quality_of
from penstock.tasks.recommendation.train import cold, item_item, sequence
from penstock.tasks.recommendation.train.counting import co_counts, learned_items
from penstock.tasks.recommendation.train.judging import History, Judged
from penstock.tasks.recommendation.train.log import Held, Log, histories_of, hold_out, read_log, taken_of
from penstock.training.records import Trained, TrainRequest, text_backbone

KEPT = 200  # weights of an item that are kept: 50 cost 4% of the nDCG on MovieLens, 100 and 200 nothing
HALF_LIVES_DAYS = (7.0, 30.0, 90.0, 365.0)
UNTUNED = History(0.85, 0.0)
_DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class _Known:
    """The request as arrays. held: None where too few users have three interactions."""

    log: Log
    items: tuple[str, ...]
    users: tuple[str, ...]
    held: Held | None


def train_popularity(request: TrainRequest) -> Trained:
    """What most users knew, newer interactions counting more if that guesses better."""
    began = time.perf_counter()
    known = _known(request)
    half_life, judged = _half_life(known)
    popular = _popularity(known.log, half_life)
    said = "all times alike" if half_life is None else f"an interaction counts half after {half_life:g} days"
    notes = [f"{said}; {_on_held_out(judged, known)}"]
    model = _model(request, known, POPULARITY, UNTUNED, None, popular)
    return _trained(request, model, {"half_life_days": half_life}, notes, began)


def train_item_item(request: TrainRequest) -> Trained:
    """Shrunk cosines between items, read with a fading history."""
    began = time.perf_counter()
    known = _known(request)
    shrink, judged = (item_item.SHRINKS[1], _untuned()) if known.held is None else item_item.choose_shrink(known.held)
    learned = learned_items(known.log)
    weights = item_item.cosines(co_counts(known.log, learned), shrink)
    notes = [f"shrinkage {shrink:g}, {_read(judged.history)}; {_on_held_out(judged, known)}"]
    sparse = sparse_of(weights, learned, known.log.size, item_item.NEAREST)
    model = _model(request, known, ITEM_ITEM, judged.history, sparse)
    return _trained(request, model, {"shrink": shrink, "learned": len(learned)}, notes, began)


def train_sequence(request: TrainRequest) -> Trained:
    """What follows what, by ridge regression in closed form; see training.recommendation.sequence."""
    began = time.perf_counter()
    known = _known(request)
    choice = _choice(known, request)
    learned, sparse = _fit(known, choice, request)
    model = _model(request, known, SEQUENCE, choice.judged.history, sparse)
    return _trained(request, model, _facts(choice, learned), _notes(choice, known, learned), began)


def train_hybrid(request: TrainRequest) -> Trained:
    """The same, with what items say: those without a past, also ones added later, are judged by their text."""
    began = time.perf_counter()
    backbone = text_backbone(request, HYBRID)
    known = _known(request)
    vectors = _vectors(request, known, backbone)
    choice = _choice(known, request)
    notes = []
    if known.held is None or len(learned_items(known.held.log)) < 2 * FIRST:
        loudness = None
        blend, boost = 0.2, 2.0
    else:
        cost = RecommendationOptions(**request.options).new_item_cost
        way = choice.judged.history
        loudness = cold.choose_loudness(known.held, vectors, choice.settings, way, cost=cost, seed=request.seed)
        blend, boost = loudness.blend, loudness.boost
        notes.append(
            f"{loudness.hidden} items hidden on purpose: HR@10 {loudness.hits:.4f} among all items, "
            f"{loudness.among_new:.4f} among the hidden (chance {loudness.chance:.4f}, the popularity of their "
            f"neighbours {loudness.popular:.4f}) for {loudness.users:,} users; boost {boost:g}, blend {blend:g}"
        )
    learned, sparse = _fit(known, choice, request)
    near, shares = cold.nearest_by_text(vectors, learned)
    new = np.ones(known.log.size, dtype=bool)
    new[learned] = False
    text = Neighbours(near, shares, learned.astype(np.int32), vectors[learned], new, blend, boost)
    model = _model(request, known, HYBRID, choice.judged.history, sparse, text=text)
    facts = _facts(choice, learned)
    if loudness is not None:
        facts |= {"cold_hr_at_10": round(loudness.hits, 6), "cold_hr_at_10_among_new": round(loudness.among_new, 6)}
    return _trained(request, model, facts, [*_notes(choice, known, learned), *notes], began)


def _known(request: TrainRequest) -> _Known:
    request.progress("train", 0, 1, "reading interactions")
    log, items, users = read_log(request.train)
    held = hold_out(log, request.seed)
    return _Known(log, items, users, held if len(held.users) else None)


def _choice(known: _Known, request: TrainRequest) -> sequence.Choice:
    if known.held is None:
        return sequence.Choice(sequence.Settings(), _untuned(), 0, 0)
    return sequence.choose(known.held, request.progress)


def _fit(known: _Known, choice: sequence.Choice, request: TrainRequest) -> tuple[Integers, Sparse]:
    request.progress("train", 8, 9, "solving for all items")
    learned = learned_items(known.log)
    weights = sequence.fit_weights(known.log, learned, choice.settings)
    if not np.isfinite(weights).all():
        raise Broken("the weights between items are not finite", where=SEQUENCE, hint="raise the penalty")
    return learned, sparse_of(weights, learned, known.log.size, KEPT)


def _vectors(request: TrainRequest, known: _Known, backbone: Backbone) -> Floats:
    """Unit vectors (items, hidden) of what is said of each item, from the cache where it has them."""
    catalogue = request.train.items
    words = [catalogue[item].words if item in catalogue else item for item in known.items]
    if request.cache is None:
        vectors: Floats = backbone.embed_bulk(words, request.progress)
    else:
        vectors = request.cache.embed(backbone, words, request.progress)
    if not np.isfinite(vectors).all():
        raise Broken("the backbone gave vectors that are not finite", where=f"backbone {backbone.digest[:12]}…")
    return vectors


def _half_life(known: _Known) -> tuple[float | None, Judged]:
    if known.held is None:
        return None, _untuned()
    tried: list[tuple[float | None, Judged]] = []
    for half_life in (None, *HALF_LIVES_DAYS):
        scores = np.tile(_popularity(known.held.log, half_life), (len(known.held.users), 1))
        for row, user in enumerate(known.held.users.tolist()):
            scores[row, known.held.log.items[known.held.log.starts[user] : known.held.log.starts[user + 1]]] = -np.inf
        places = places_of(scores, known.held.targets)
        tried.append((half_life, Judged(UNTUNED, *quality_of(places))))
    return max(tried, key=lambda one: one[1].ndcg)


def _popularity(log: Log, half_life_days: float | None) -> Floats:
    """Interactions of each item (size,) as a share of the most popular item's."""
    age_days = (log.times.max() - log.times) / _DAY
    counted = np.ones(len(log.items)) if half_life_days is None else 0.5 ** (age_days / half_life_days)
    total = np.bincount(log.items, counted, minlength=log.size)
    popularity: Floats = (total / total.max()).astype(np.float32)
    return popularity


def _model(
    request: TrainRequest,
    known: _Known,
    kind: str,
    way: History,
    weights: Sparse | None,
    popularity: Floats | None = None,
    text: Neighbours | None = None,
) -> Recommender:
    catalogue: Any = request.train.items
    return Recommender(
        kind=kind,
        labels=known.items,
        titles=tuple(catalogue[item].title if item in catalogue else item for item in known.items),
        listed=np.array([item not in catalogue or catalogue[item].listed for item in known.items]),
        counts=known.log.counts.astype(np.float32),
        popularity=_popularity(known.log, None) if popularity is None else popularity,
        histories=histories_of(known.log, known.users, way.power),
        decay=way.decay,
        top=RecommendationOptions(**request.options).top,
        weights=weights,
        text=text,
        backbone=request.backbone if text is not None else None,
        taken=taken_of(request.train, known.items, known.users),
        repeats=RecommendationOptions(**request.options).repeats,
        places={item: place for place, item in enumerate(known.items)},
    )


def _trained(
    request: TrainRequest, model: Recommender, facts: dict[str, Any], notes: list[str], began: float
) -> Trained:
    files = to_files(model)
    settings = {**settings_of(model), **facts, "seed": request.seed, "interactions": len(model.histories.items)}
    backbone = model.backbone
    parts = Parts(model.labels, settings, files.__getitem__, "the trained model", backbone)
    request.progress("train", 9, 9, "done")
    return Trained(
        model=open_parts(parts),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=None if backbone is None else backbone.digest,
        notes=tuple(notes),
    )


def _facts(choice: sequence.Choice, learned: Integers) -> dict[str, Any]:
    chosen = choice.settings
    return {
        "penalty": chosen.penalty,
        "fade": chosen.fade,
        "backward": chosen.backward,
        "power": choice.judged.history.power,
        "learned": len(learned),
    }


def _notes(choice: sequence.Choice, known: _Known, learned: Integers) -> list[str]:
    chosen = choice.settings
    return [
        f"{len(learned):,} of {known.log.size:,} items have weights of their own, the largest {KEPT} each",
        f"penalty {chosen.penalty:g}, fade {chosen.fade:g}, backward {chosen.backward:g}, "
        f"{_read(choice.judged.history)}; {_on_held_out(choice.judged, known)}",
    ]


def _read(way: History) -> str:
    return f"an interaction loses {1 - way.decay:.0%} with every newer one" + (
        f", weighted ** {way.power:g}" if way.power else ""
    )


def _on_held_out(judged: Judged, known: _Known) -> str:
    if known.held is None:
        return "too few interactions to hold users out: settings as they come"
    return f"chosen on {len(known.held.users):,} held-out users (nDCG@10 {judged.ndcg:.4f}, HR@10 {judged.hits:.4f})"


def _untuned() -> Judged:
    return Judged(UNTUNED, 0.0, 0.0)
