"""What the rung `static.v1` gives: token vectors trained on the task, and nothing of the encoder left in the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput, Conflict
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Split, split_of
from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train import tokens
from penstock.tasks.text.train.static import RECIPE
from penstock.training.backbones import resolve
from penstock.training.cache import EmbeddingCache
from penstock.training.loop import checkpoints
from penstock.training.records import Trained, TrainRequest, save
from penstock.workspace.records import Backbone as Source

SHORT = {"epochs": 2.0, "least_steps": 40}


@pytest.fixture
def backbone(blobs: BlobStore, tiny_bert: Path) -> Backbone:
    return Loader(blobs).backbone(resolve(Source(source=f"path:{tiny_bert}"), "tiny", blobs))


def train(split: Split, backbone: Backbone | None, cache: Path | None = None, **recipe: float) -> Trained:
    kept = None if cache is None else EmbeddingCache(cache)
    return installed.rungs()["static.v1"].train(TrainRequest(train=split, backbone=backbone, cache=kept, recipe=recipe))


def test_vectors_trained_on_the_task_tell_its_intents_apart(orders: Split, backbone: Backbone) -> None:
    made = train(orders, backbone)
    truth = [made.model.labels.index(label) for label in orders.labels]
    assert (
        made.model.predict(orders.texts).argmax(axis=1) == truth
    ).mean() >= 0.5  # most of their words are unknown to it
    assert made.backbone is None
    assert any("epochs, chosen by the log loss" in note for note in made.notes)
    assert made.parameters["epochs"] in (3.0, 8.0)
    assert {"loss", "rate"} <= set(made.curves)


def test_saved_and_reloaded_it_answers_the_same_bits(orders: Split, backbone: Backbone, blobs: BlobStore) -> None:
    made = train(orders, backbone, **SHORT)
    reloaded = Loader(blobs).load(save(made, blobs))
    texts = [*orders.texts[:9], "my armchair never came"]
    assert reloaded.predict(texts).tobytes() == made.model.predict(texts).tobytes()


def test_the_same_seed_gives_the_same_artifact_with_and_without_the_cache(
    orders: Split, backbone: Backbone, blobs: BlobStore, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    plain, first, second = (save(train(orders, backbone, given, **SHORT), blobs) for given in (None, cache, cache))
    assert plain == first == second
    (file,) = cache.glob("tokens-*.safetensors")
    file.write_bytes(b"damaged")
    assert save(train(orders, backbone, cache, **SHORT), blobs) == plain


def test_of_a_very_large_vocabulary_only_tokens_seen_get_a_vector(
    orders: Split, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 10)
    made = train(orders, backbone, **SHORT)
    known = int((made.model.rows > 0).sum())  # type: ignore[attr-defined]
    assert 0 < known < backbone.tokenizer.get_vocab_size()
    assert np.isfinite(made.model.predict(["jazz quiz", "∎"])).all()


def test_words_with_vectors_but_no_training_rows_still_count(orders: Split, backbone: Backbone) -> None:
    made = train(orders, backbone, **SHORT)
    assert made.model.predict(["j"]).tobytes() != made.model.predict(["q"]).tobytes()


def test_a_recipe_that_cannot_train_and_a_missing_backbone_are_refused(orders: Split, backbone: Backbone) -> None:
    with pytest.raises(BadInput, match="needs a backbone"):
        train(orders, None)
    with pytest.raises(BadInput, match="unknown 'depth'"):
        train(orders, backbone, depth=3)


def test_a_checkpoint_of_the_calibrating_fit_does_not_stop_the_last_one(
    orders: Split, backbone: Backbone, tmp_path: Path
) -> None:
    """Killed in its last training, it goes through the first ones again and on from there."""
    import torch

    folder = tmp_path / "checkpoint"
    identity = checkpoints.Identity.of("another", RECIPE.to_json(), 0)
    checkpoints.write(folder / "train", identity, checkpoints.State(1, {"x": torch.zeros(1)}, {}))
    request = TrainRequest(train=orders, backbone=backbone, recipe=SHORT, checkpoint=folder)
    with pytest.raises(Conflict, match="data"):
        installed.rungs()["static.v1"].train(request)
    assert installed.rungs()["static.v1"].train(request).seconds > 0
    assert (folder / "train").is_dir() and (folder / "calibrate-1").is_dir()


def test_six_intents_of_banking77_learned_from_400_rows(
    shared_data: Path, minilm: tuple[BlobStore, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 1_000)  # only tokens seen go through the encoder: 1 s instead of 14
    train_rows, test_rows = (read_rows(shared_data / "banking77" / f"{part}.csv.gz", {}) for part in ("train", "test"))
    intents = sorted({row.label for row in test_rows})[:6]
    rows = split_of([row for row in train_rows if row.label in intents][::2])
    made = train(rows, Loader(minilm[0]).backbone(minilm[1]))
    test = split_of([row for row in test_rows if row.label in intents])
    answers = made.model.predict(test.texts)
    right = answers.argmax(axis=1) == [made.model.labels.index(label) for label in test.labels]
    assert right.mean() >= 0.88
    assert abs(answers.max(axis=1).mean() - right.mean()) <= 0.08
