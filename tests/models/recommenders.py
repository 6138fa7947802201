"""Small recommenders for tests: random weights over a few items, with and without text on a backbone of words."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np

from penstock.models.backbone import Backbone
from penstock.tasks.recommendation.model.histories import Histories
from penstock.tasks.recommendation.model.neighbours import Neighbours, nearest
from penstock.tasks.recommendation.model.recommender import Recommender
from penstock.tasks.recommendation.model.sparse import sparse_of

HIDDEN = 64
WORDS = ("harbour", "orchard", "dragon", "bread", "comet", "owl")


class WordTokenizer:
    """Each word is a number: the same word, the same number."""

    def encode_batch_fast(self, texts: list[str]) -> list[Any]:
        return [SimpleNamespace(ids=[zlib.crc32(word.encode()) % HIDDEN for word in text.split()]) for text in texts]


class WordSession:
    """The unit vector of how often each word occurs."""

    def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
        rows = []
        for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True):
            counts = np.bincount(ids[mask == 1], minlength=HIDDEN).astype(np.float32)
            rows.append(counts / max(float(np.linalg.norm(counts)), 1e-9))
        return [np.stack(rows)]


def word_backbone() -> Backbone:
    return Backbone("words", HIDDEN, 256, 0.0, WordSession(), WordTokenizer())


def recommender(items: int = 12, users: int = 5, seed: int = 0, *, text: bool = False) -> Recommender:
    """Items i0, i1, ... of which the last two have no past, users u0, u1, ... who know some of them."""
    chance = np.random.default_rng(seed)
    labels = tuple(f"i{at}" for at in range(items))
    counts = [int(chance.integers(1, items - 3)) for _ in range(users)]
    known = [np.sort(chance.permutation(items - 2)[:count]) for count in counts]
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    times = np.concatenate([np.sort(chance.integers(0, 50, count)) for count in counts]).astype(np.float64)
    learned = np.arange(items - 2)
    weights = chance.normal(size=(items - 2, items - 2)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    popularity = np.zeros(items, dtype=np.float32)
    popularity[learned] = np.linspace(1.0, 0.1, items - 2)
    backbone = word_backbone()
    return Recommender(
        kind="hybrid-items.v1" if text else "sequence-ease.v1",
        labels=labels,
        titles=tuple(f"Title {at}" for at in range(items)),
        listed=np.ones(items, dtype=bool),
        counts=(popularity * 5).round().astype(np.float32),
        popularity=popularity,
        histories=Histories(
            {f"u{at}": at for at in range(users)},
            starts,
            np.concatenate(known).astype(np.int32),
            times,
            chance.uniform(0.5, 2, len(times)).astype(np.float32),
        ),
        decay=0.8,
        top=5,
        weights=sparse_of(weights, learned, items, 6),
        text=_text(backbone, items) if text else None,
        backbone=backbone if text else None,
        places={label: at for at, label in enumerate(labels)},
    )


def _text(backbone: Backbone, items: int) -> Neighbours:
    vectors = backbone.embed([f"{WORDS[at % 6]} {WORDS[at % 5]}" for at in range(items)])
    learned = np.arange(items - 2, dtype=np.int32)
    found = [nearest(vectors[learned], learned, vectors[at], at if at < items - 2 else -1) for at in range(items)]
    new = np.arange(items) >= items - 2
    near, shares = np.stack([one for one, _ in found]), np.stack([one for _, one in found])
    return Neighbours(near, shares, learned, vectors[learned], new, 0.3, 1.5)
