"""Vectors are computed once per text and backbone, also after a kill or with a damaged file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.models.backbone import Backbone
from penstock.training import cache as cache_file
from penstock.training.cache import EmbeddingCache


@dataclasses.dataclass(frozen=True, eq=False)
class Counting(Backbone):
    """Embeds a text as its length and counts what it was asked."""

    asked: list[str] = dataclasses.field(default_factory=list)
    fail_after: int = 1_000_000

    def embed_bulk(self, texts: Sequence[str], progress: Any = None) -> np.ndarray:
        if len(self.asked) + len(texts) > self.fail_after:
            raise KeyboardInterrupt
        self.asked.extend(texts)
        progress("embed", len(texts), len(texts))
        return np.array([[len(text), 0.1] for text in texts], dtype=np.float32)


def backbone(digest: str = "one", **settings: Any) -> Counting:
    return Counting(digest=digest, hidden=2, max_tokens=8, parity=0.0, session=None, tokenizer=None, **settings)


def test_only_texts_not_seen_before_are_embedded(tmp_path: Path) -> None:
    cache, model = EmbeddingCache(tmp_path), backbone()
    first = cache.embed(model, ["a", "bb", "a"])
    second = EmbeddingCache(tmp_path).embed(model, ["ccc", "a", "bb"])
    assert first.tolist() == [[1, np.float32(0.1)], [2, np.float32(0.1)], [1, np.float32(0.1)]]
    assert second[:, 0].tolist() == [3, 1, 2]
    assert sorted(model.asked) == ["a", "bb", "ccc"]


def test_backbones_do_not_share_vectors(tmp_path: Path) -> None:
    cache, other = EmbeddingCache(tmp_path), backbone("two")
    cache.embed(backbone("one"), ["a"])
    cache.embed(other, ["a"])
    assert other.asked == ["a"]


def test_work_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_file, "CHUNK", 2)
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache(tmp_path).embed(backbone(fail_after=4), texts)
    again, seen = backbone(), []
    vectors = EmbeddingCache(tmp_path).embed(again, texts, lambda s, done, total, note="": seen.append((done, total)))
    assert again.asked == ["eeeee"] and vectors[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert seen == [(1, 1)]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "vectors.sqlite").write_bytes(b"this is no database" * 100)
    model = backbone()
    assert EmbeddingCache(tmp_path).embed(model, ["a"]).shape == (1, 2)
    EmbeddingCache(tmp_path).embed(model, ["a"])
    assert model.asked == ["a"]


def test_no_texts_are_no_work(tmp_path: Path) -> None:
    assert EmbeddingCache(tmp_path).embed(backbone(), []).shape == (0, 2)
