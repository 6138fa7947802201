"""What a recommender's artifact holds, and the model that was saved. It knows tensors, not how they were trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.core.hashing import canonical_json
from penstock.models.protocol import Parts
from penstock.tasks.recommendation.model.histories import Histories
from penstock.tasks.recommendation.model.neighbours import Neighbours
from penstock.tasks.recommendation.model.recommender import Recommender
from penstock.tasks.recommendation.model.sparse import Sparse

POPULARITY, ITEM_ITEM, SEQUENCE, HYBRID = "popularity.v1", "item-item.v1", "sequence-ease.v1", "hybrid-items.v1"
KINDS = (POPULARITY, ITEM_ITEM, SEQUENCE, HYBRID)
TENSORS, WORDS = "recommender.safetensors", "catalogue.json"


def to_files(model: Recommender) -> dict[str, bytes]:
    """What an artifact of this kind holds; labels, settings and the backbone are the manifest's."""
    from safetensors.numpy import save

    tensors: dict[str, Any] = {
        "listed": model.listed.astype(np.uint8),
        "counts": model.counts,
        "popularity": model.popularity,
        "history.starts": model.histories.starts,
        "history.items": model.histories.items,
        "history.times": model.histories.times,
        "history.weights": model.histories.weights,
    }
    if model.taken is not None:
        tensors |= {f"taken.{name}": getattr(model.taken, name) for name in ("starts", "items", "times")}
    if model.weights is not None:
        tensors |= {f"weights.{name}": getattr(model.weights, name) for name in ("starts", "columns", "values")}
    if model.text is not None:
        names = ("near", "shares", "learned", "vectors")
        tensors |= {f"text.{name}": getattr(model.text, name) for name in names}
        tensors["text.new"] = model.text.new.astype(np.uint8)
    words = {
        "titles": list(model.titles),
        "users": sorted(model.histories.users, key=model.histories.users.__getitem__),
    }
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return {TENSORS: save(contiguous), WORDS: canonical_json(words)}


def settings_of(model: Recommender) -> dict[str, Any]:
    """The numbers that belong to the manifest."""
    settings: dict[str, Any] = {"kind": model.kind, "decay": model.decay, "top": model.top}
    if model.repeats:
        settings["repeats"] = True
    if model.text is not None:
        settings |= {"blend": model.text.blend, "boost": model.text.boost}
    return settings


def open_parts(parts: Parts) -> Recommender:
    """The model that was saved. Raises Broken when the parts do not fit."""
    from safetensors.numpy import load

    tensors: Mapping[str, Any] = load(parts.read(TENSORS))
    words = json.loads(parts.read(WORDS))
    kind = parts.settings["kind"]
    histories = Histories(
        {user: row for row, user in enumerate(words["users"])},
        *(tensors[f"history.{name}"] for name in ("starts", "items", "times", "weights")),
    )
    taken = None
    if "taken.starts" in tensors:  # artifacts from before keep none
        starts, items, times = (tensors[f"taken.{name}"] for name in ("starts", "items", "times"))
        taken = Histories(histories.users, starts, items, times, np.ones(len(items), dtype=np.float32))
    weights = None
    if "weights.starts" in tensors:
        weights = Sparse(*(tensors[f"weights.{name}"] for name in ("starts", "columns", "values")))
    text = None
    if "text.near" in tensors:
        blend, boost = float(parts.settings["blend"]), float(parts.settings["boost"])
        near, shares, learned, vectors = (tensors[f"text.{name}"] for name in ("near", "shares", "learned", "vectors"))
        text = Neighbours(near, shares, learned, vectors, tensors["text.new"].astype(bool), blend, boost)
    model = Recommender(
        kind=kind,
        labels=parts.labels,
        titles=tuple(words["titles"]),
        listed=tensors["listed"].astype(bool),
        counts=tensors["counts"],
        popularity=tensors["popularity"],
        histories=histories,
        decay=float(parts.settings["decay"]),
        top=int(parts.settings["top"]),
        weights=weights,
        text=text,
        backbone=parts.text_backbone() if text is not None else None,
        taken=taken,
        repeats=bool(parts.settings.get("repeats", False)),
        places={label: place for place, label in enumerate(parts.labels)},
    )
    _check(model, parts.where)
    return model


def _check(model: Recommender, where: str) -> None:
    items, known = len(model.labels), model.histories
    fits = (
        model.kind in KINDS
        and len(model.places) == len(model.titles) == len(model.listed) == len(model.counts) == items
        and model.popularity.shape == (items,)
        and len(known.starts) == len(known.users) + 1
        and known.starts[-1] == len(known.items) == len(known.times) == len(known.weights)
        and _within(known.items, items)
        and 0 < model.decay <= 1
    )
    if fits and model.taken is not None:
        fits = len(model.taken.starts) == len(known.starts) and _within(model.taken.items, items)
        fits = fits and model.taken.starts[-1] == len(model.taken.items) == len(model.taken.times)
    if fits and model.weights is not None:
        inside = _within(model.weights.columns, items) and np.isfinite(model.weights.values).all()
        fits = inside and model.weights.rows == items and model.weights.starts[-1] == len(model.weights.values)
    if fits and model.text is not None:
        text = model.text
        shapes = text.near.shape == text.shares.shape and len(text.near) == len(text.new) == items
        fits = shapes and _within(text.near, items) and np.isfinite(text.vectors).all()
    if not fits or not np.isfinite(model.popularity).all():
        raise Broken("the parts of the recommender do not fit each other", where=where, hint="train it again")


def _within(places: Any, items: int) -> bool:
    return len(places) == 0 or (int(places.min()) >= 0 and int(places.max()) < items)
