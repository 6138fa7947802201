"""A model in int8: nearly the same vectors, the very same answers alone and in any batch, and no torch to serve it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import installed
from penstock.core.errors import BadInput, Broken
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.artifact import read_artifact
from penstock.models.backbone import load_backbone
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.compress.int8 import LEAST_FIDELITY
from penstock.training.backbones import resolve
from penstock.training.compress.records import CompressRequest
from penstock.training.records import Trained, TrainRequest, save
from penstock.workspace.records import Backbone

WORDS = st.sampled_from(["where", "is my", "parcel", "money back", "退款", "什么时候", "CARD", "１２３", "don't"])
TEXTS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=40).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)


def trained_on(split: Split, blobs: BlobStore, backbone: str) -> str:
    """The artifact of a frozen-linear model on that backbone."""
    request = TrainRequest(train=split, backbone=load_backbone(blobs, backbone))
    return save(installed.rungs()["frozen-linear.v1"].train(request), blobs)


def in_int8(artifact: str, split: Split, blobs: BlobStore) -> Trained:
    load = Loader(blobs).load
    request = CompressRequest(source=load(artifact), source_artifact=artifact, train=split, blobs=blobs, load=load)
    return installed.compressions()["int8.v1"].compress(request)


@pytest.fixture(scope="module")
def pair(orders: Split, minilm: tuple[BlobStore, str]) -> tuple[str, Trained]:
    """A model on the real encoder, and itself in int8: rounding all-MiniLM-L6-v2 takes 5 s, once."""
    artifact = trained_on(orders, *minilm)
    return artifact, in_int8(artifact, orders, minilm[0])


def test_it_keeps_the_vectors_and_the_answers_and_says_how_near(
    pair: tuple[str, Trained], orders: Split, minilm: tuple[BlobStore, str]
) -> None:
    full, made = Loader(minilm[0]).load(pair[0]), pair[1]
    assert LEAST_FIDELITY <= made.facts["fidelity"] < 1
    answers = made.model.predict(orders.texts)
    assert (answers.argmax(axis=1) == full.predict(orders.texts).argmax(axis=1)).mean() >= 0.98
    before, after = (read_artifact(minilm[0], digest) for digest in (minilm[1], str(made.backbone)))
    sizes = [artifact.path("model.onnx").stat().st_size for artifact in (before, after)]
    assert sizes[1] < 0.7 * sizes[0]
    assert f"mean cosine {made.facts['fidelity']:.4f}" in " ".join(made.notes)


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_a_text_is_answered_with_the_same_bits_alone_and_in_any_batch(
    pair: tuple[str, Trained], texts: list[str]
) -> None:
    model = pair[1].model
    together = model.predict(texts)
    assert together.tobytes() == np.concatenate([model.predict([text]) for text in texts]).tobytes()
    assert together[::-1].tobytes() == model.predict(texts[::-1]).tobytes()


def test_vectors_in_bulk_are_the_bits_of_those_that_serve(
    pair: tuple[str, Trained], minilm: tuple[BlobStore, str]
) -> None:
    backbone = Loader(minilm[0]).backbone(str(pair[1].backbone))
    texts = ["a", "where is my parcel", "one that is so long that it would pad all others " * 9, "退款什么时候到账"]
    assert backbone.embed_bulk(texts).tobytes() == backbone.embed(texts).tobytes()


def test_it_is_served_without_torch(pair: tuple[str, Trained], minilm: tuple[BlobStore, str]) -> None:
    artifact = save(pair[1], minilm[0])
    script = (
        "import sys; sys.modules.update(torch=None, transformers=None, onnx=None)\n"
        "from pathlib import Path; from penstock.loader import Loader\n"
        "from penstock.storage.blobs import BlobStore\n"
        f"model = Loader(BlobStore(Path({str(minilm[0].folder)!r}))).load({artifact!r})\n"
        "sys.stdout.write(model.predict(['where is my coat']).tobytes().hex())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == pair[1].model.predict(["where is my coat"]).tobytes().hex()


def test_an_encoder_that_cannot_stand_it_is_refused(orders: Split, tiny_bert: Path, blobs: BlobStore) -> None:
    import torch
    import transformers

    model = transformers.BertModel.from_pretrained(tiny_bert)
    for layer in model.encoder.layer:  # two numbers that nothing reads, so large that the others fall on one step
        layer.attention.output.LayerNorm.bias.data[:2] = torch.tensor([300.0, -300.0])
        layer.intermediate.dense.weight.data *= 30
        layer.intermediate.dense.weight.data[:, :2] = 0
        layer.output.dense.weight.data *= 30
    model.encoder.layer[-1].output.LayerNorm.weight.data[:2] = 0
    model.save_pretrained(tiny_bert)
    digest = resolve(Backbone(source=f"path:{tiny_bert}"), "tiny", blobs)
    with pytest.raises(Broken, match=r"must be at least 0\.99") as caught:
        in_int8(trained_on(orders, blobs, digest), orders, blobs)
    assert "--by distil" in str(caught.value)


def test_what_has_no_encoder_or_is_int8_already_is_refused(
    pair: tuple[str, Trained], orders: Split, minilm: tuple[BlobStore, str], blobs: BlobStore
) -> None:
    ngrams = save(installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=orders)), blobs)
    with pytest.raises(BadInput, match=r"a ngram-linear.v1 model has none"):
        in_int8(ngrams, orders, blobs)
    with pytest.raises(BadInput, match="in int8 already"):
        in_int8(save(pair[1], minilm[0]), orders, minilm[0])


def test_a_private_model_keeps_its_epsilon_and_its_rows_are_not_looked_at(
    orders: Split, tiny_bert: Path, blobs: BlobStore
) -> None:
    from dataclasses import replace

    digest = resolve(Backbone(source=f"path:{tiny_bert}"), "tiny", blobs)
    plain = installed.rungs()["frozen-linear.v1"].train(
        TrainRequest(train=orders, backbone=load_backbone(blobs, digest))
    )
    private = save(replace(plain, settings={**plain.settings, "epsilon": 3.5}), blobs)
    first, other = (in_int8(private, split, blobs) for split in (orders, Split(("anything",), ("else",))))
    assert first.facts == other.facts
    assert first.facts["epsilon"] == 3.5
