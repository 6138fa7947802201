"""What pruning and distilling give: a smaller model of the same labels, on an encoder cut from the original's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.artifact import read_artifact
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.compress.cutting import alternate, smaller_vocabulary
from penstock.tasks.text.data.options import TextOptions
from penstock.training.backbones import resolve
from penstock.training.compress.records import CompressRequest
from penstock.training.records import Trained, TrainRequest, save
from penstock.workspace.records import Backbone as Source


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / ".penstock" / "blobs")


@pytest.fixture
def original(store: BlobStore, tiny_bert: Path, orders: Split) -> str:
    """A model on the small BERT of two layers: its artifact."""
    digest = resolve(Source(source=f"path:{tiny_bert}"), "tiny", store)
    request = TrainRequest(train=orders, backbone=Loader(store).backbone(digest))
    return save(installed.rungs()["frozen-linear.v1"].train(request), store)


def compress(store: BlobStore, artifact: str, rows: Split, by: str, **options: Any) -> Trained:
    recipe, checkpoint = options.pop("recipe", {"epochs": 1.0}), options.pop("checkpoint", None)
    loader = Loader(store)
    request = CompressRequest(
        source=loader.load(artifact),
        source_artifact=artifact,
        train=rows,
        blobs=store,
        load=loader.load,
        options=options,
        recipe=recipe,
        checkpoint=checkpoint,
    )
    return installed.compressions()[by].compress(request)


def layers_of(store: BlobStore, made: Trained) -> int:
    assert made.backbone is not None
    weights = read_artifact(store, read_artifact(store, made.backbone).settings["weights"])
    return int(json.loads(weights.read("config.json"))["num_hidden_layers"])


def test_pruning_takes_a_layer_and_the_words_never_seen(store: BlobStore, original: str, orders: Split) -> None:
    made = compress(store, original, orders, "prune.v1", layers=1)
    before = Loader(store).load(original)
    assert made.backbone is not None and made.model.labels == before.labels
    assert layers_of(store, made) == 1
    assert made.notes[0] in ("1 of 2 layers stay: number 1", "1 of 2 layers stay: number 2")
    smaller = Loader(store).backbone(made.backbone)
    assert smaller.tokenizer.get_vocab_size() < before.backbone.tokenizer.get_vocab_size()  # type: ignore[attr-defined]
    assert -1 <= made.facts["fidelity"] <= 1
    reloaded = Loader(store).load(save(made, store))
    texts = [*orders.texts[:20], "zebra ∎ never seen"]
    assert np.abs(reloaded.predict(texts) - made.model.predict(texts)).max() <= 1e-6


def test_pruning_words_alone_leaves_every_answer_to_the_training_texts_nearly_as_it_was(
    store: BlobStore, original: str, orders: Split
) -> None:
    made = compress(store, original, orders, "prune.v1", layers=2, recipe={"epochs": 1.0, "peak": 1e-7})
    before = Loader(store).load(original).predict(orders.texts)
    assert np.abs(made.model.predict(orders.texts) - before).max() <= 0.01
    assert made.facts["fidelity"] == pytest.approx(1, abs=1e-3)


def test_a_pruned_model_can_be_pruned_again(store: BlobStore, original: str, orders: Split) -> None:
    first = save(compress(store, original, orders, "prune.v1", layers=2), store)
    assert layers_of(store, compress(store, first, orders, "prune.v1", layers=1, vocabulary=False)) == 1


def test_a_student_of_one_layer_learns_the_teachers_answers(store: BlobStore, original: str, orders: Split) -> None:
    recipe = {"epochs": 30.0, "peak": 3e-3}
    made = compress(store, original, orders, "distil.v1", layers=1, copies=0.5, recipe=recipe)
    assert layers_of(store, made) == 1
    assert made.facts["fidelity"] >= 0.8
    teacher = Loader(store).load(original)
    agree = made.model.predict(orders.texts).argmax(axis=1) == teacher.predict(orders.texts).argmax(axis=1)
    assert agree.mean() >= 0.9
    assert made.parameters["layers"] == 1 and made.parameters["epochs"] == 30


def test_a_static_student_needs_no_encoder(store: BlobStore, original: str, orders: Split) -> None:
    made = compress(store, original, orders, "distil.v1", student="static", copies=0.0, recipe={"epochs": 30.0})
    assert made.backbone is None and made.model.kind == "static.v1"
    truth = [made.model.labels.index(label) for label in orders.labels]
    assert (made.model.predict(orders.texts).argmax(axis=1) == truth).mean() >= 0.5  # most words are unknown to it


def test_a_student_learns_from_the_rows_as_the_products_options_want_them(
    store: BlobStore, original: str, orders: Split
) -> None:
    asked = TextOptions(augment=2.0, class_weights="balanced", label_names=True)
    made = compress(store, original, replace(orders, options=asked), "distil.v1", layers=1, copies=0.5)
    told = " ".join(made.notes)
    assert "labels weigh alike" in told and "the words of each label" in told
    assert "45 changed copies added to 90 rows" in told  # its own number of copies


def test_a_checkpoint_of_other_labels_is_not_gone_on_from(
    store: BlobStore, original: str, orders: Split, tmp_path: Path
) -> None:
    before = compress(store, original, orders, "distil.v1", layers=1, checkpoint=tmp_path / "at")
    resumed = compress(store, original, orders, "distil.v1", layers=1, checkpoint=tmp_path / "at")
    assert resumed.backbone == before.backbone
    relabelled = Split(orders.inputs, tuple(reversed(orders.labels)))
    other = compress(store, original, relabelled, "distil.v1", layers=1, checkpoint=tmp_path / "at")
    assert other.backbone != before.backbone


def test_a_student_says_that_a_frozen_teacher_knew_the_rows_it_is_calibrated_on(
    store: BlobStore, original: str, orders: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.tasks.text.train.encoder.FEWEST_TO_HOLD", 50)
    monkeypatch.setattr("penstock.tasks.text.train.encoder.LEAST_HELD", 10)
    made = compress(store, original, orders, "distil.v1", layers=1, copies=0.0)
    assert any("10 held-out training rows, which the original had learned" in note for note in made.notes)


@pytest.mark.parametrize(
    ("by", "options", "says"),
    [
        ("prune.v1", {"layers": 3}, "layers must be 1 to 2"),
        ("prune.v1", {"layers": 2, "vocabulary": False}, "nothing would be pruned"),
        ("distil.v1", {"layers": 2}, "has 2 layers"),
        ("distil.v1", {"layers": 7}, "layers must be 1 to 3"),
        ("distil.v1", {"student": "parrot"}, '"encoder" or "static"'),
        ("distil.v1", {"copies": -1.0}, "copies must be 0 to 4"),
    ],
)
def test_what_makes_nothing_smaller_is_refused(
    store: BlobStore, original: str, orders: Split, by: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        compress(store, original, orders, by, **options)


@pytest.mark.parametrize("by", ["prune.v1", "distil.v1"])
def test_a_model_without_an_encoder_is_refused(store: BlobStore, orders: Split, by: str) -> None:
    artifact = save(installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=orders)), store)
    with pytest.raises(BadInput, match="model has none"):
        compress(store, artifact, orders, by)


def test_layers_go_and_words_stay_where_words_merge_by_rules(
    store: BlobStore, tmp_path: Path, tiny_bert: Path, orders: Split
) -> None:
    """As in a backbone that `penstock pretrain` made."""
    own = tmp_path / "own"
    shutil.copytree(tiny_bert, own)
    letters = {letter: number for number, letter in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"])}
    model = {"type": "BPE", "vocab": letters, "merges": [], "unk_token": "[UNK]"}
    (own / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    digest = resolve(Source(source=f"path:{own}"), "own", store)
    request = TrainRequest(train=orders, backbone=Loader(store).backbone(digest))
    made = compress(
        store, save(installed.rungs()["frozen-linear.v1"].train(request), store), orders, "prune.v1", layers=1
    )
    assert layers_of(store, made) == 1 and made.parameters["vocabulary"] is False
    assert "all words stay: the vocabulary of a BPE tokenizer cannot be pruned" in made.notes[1]


def test_a_vocabulary_that_merges_by_rules_is_not_pruned() -> None:
    bpe = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
    with pytest.raises(BadInput, match="BPE tokenizer cannot be pruned") as caught:
        smaller_vocabulary(json.dumps(bpe).encode(), {0}, "here")
    assert "--set vocabulary=false" in str(caught.value)


def test_texts_whose_words_were_all_seen_are_cut_into_the_same_pieces(minilm: tuple[BlobStore, str]) -> None:
    from tokenizers import Tokenizer

    store, digest = minilm
    whole = read_artifact(store, digest).read("tokenizer.json")
    before = Tokenizer.from_str(whole.decode())
    before.no_padding()
    texts = ["Where is my parcel?", "unbelievable refunds, naïve café", "退款 ∎"]
    seen = {number for text in texts for number in before.encode(text).ids}
    smaller, kept = smaller_vocabulary(whole, seen, "here")
    after = Tokenizer.from_str(smaller.decode())
    after.no_padding()
    assert len(kept) < 3_000 and after.get_vocab_size() == len(kept)
    for text in texts:
        assert after.encode(text).tokens == before.encode(text).tokens
        assert [kept[number] for number in after.encode(text).ids] == before.encode(text).ids
    spelt = after.encode("zebra").tokens[1:-1]
    assert len(spelt) > 1 and "".join(token.removeprefix("##") for token in spelt) == "zebra"


def test_students_begin_with_layers_spread_over_the_teachers() -> None:
    assert alternate(6, 3) == (1, 3, 5)
    assert alternate(6, 2) == (2, 5)
    assert alternate(12, 3) == (3, 7, 11)
    assert alternate(6, 1) == (5,)
