"""What the rung `frozen-linear.v1` gives, on the real encoder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput, Broken
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Split, split_of
from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache
from penstock.training.records import Trained, TrainRequest, save


@pytest.fixture(scope="module")
def backbone(minilm: tuple[BlobStore, str]) -> Backbone:
    return Loader(minilm[0]).backbone(minilm[1])


def train(split: Split, backbone: Backbone | None, cache: EmbeddingCache | None = None) -> Trained:
    return installed.rungs()["frozen-linear.v1"].train(TrainRequest(train=split, backbone=backbone, cache=cache))


def test_a_model_saved_and_reloaded_answers_as_the_trained_one(
    orders: Split, backbone: Backbone, minilm: tuple[BlobStore, str]
) -> None:
    trained = train(orders, backbone)
    reloaded = Loader(minilm[0]).load(save(trained, minilm[0]))
    texts = [*orders.texts, "my armchair never came", "give me what I paid"]
    assert np.abs(trained.model.predict(texts) - reloaded.predict(texts)).max() <= 1e-6
    assert trained.backbone == backbone.digest


def test_the_same_seed_gives_the_same_artifact_with_and_without_the_cache(
    orders: Split, backbone: Backbone, blobs: BlobStore, tmp_path: Path
) -> None:
    cache = EmbeddingCache(tmp_path)
    plain, first, second = (save(train(orders, backbone, given), blobs) for given in (None, cache, cache))
    assert plain == first == second


def test_six_intents_of_banking77_learned_from_400_rows(shared_data: Path, backbone: Backbone) -> None:
    train_rows, test_rows = (read_rows(shared_data / "banking77" / f"{part}.csv.gz", {}) for part in ("train", "test"))
    intents = sorted({row.label for row in test_rows})[:6]
    model = train(split_of([row for row in train_rows if row.label in intents][::2]), backbone).model
    test = split_of([row for row in test_rows if row.label in intents][::2])
    answers = model.predict(test.texts)
    truth = [model.labels.index(label) for label in test.labels]
    right = answers.argmax(axis=1) == truth
    assert right.mean() >= 0.93
    assert abs(answers.max(axis=1).mean() - right.mean()) <= 0.05


def test_without_a_backbone_it_says_where_to_name_one(orders: Split) -> None:
    with pytest.raises(BadInput, match="needs a backbone") as caught:
        train(orders, None)
    assert "penstock.toml" in str(caught.value)


def test_vectors_that_are_not_finite_stop_the_training(orders: Split, backbone: Backbone) -> None:
    class Damaged:
        def run(self, _names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full((len(feed["input_ids"]), 384), np.nan, dtype=np.float32)]

    with pytest.raises(Broken, match="90 vectors that are not finite"):
        train(orders, dataclasses.replace(backbone, session=Damaged()))
