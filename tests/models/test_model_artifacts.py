"""What is loaded is what was saved: every hash is checked, and nothing that could run code is kept."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from penstock.core.errors import Broken, NotFound
from penstock.core.hashing import canonical_json
from penstock.loader import Loader
from penstock.models.artifact import read_artifact, save_artifact
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model import frozen_linear, ngram_linear
from penstock.tasks.text.model.ngrams import learn_vocabulary

LABELS = ("refund", "shipping")


def ngram_files(weights_columns: int = 2) -> dict[str, bytes]:
    vocabulary = learn_vocabulary(["where is my parcel", "i want my money back"], 1_000)
    weights = np.full((len(vocabulary), weights_columns), 0.25, dtype=np.float32)
    return ngram_linear.to_files(vocabulary, weights, np.array([0.0, 1.0], dtype=np.float32))


def save_ngram(blobs: BlobStore, files: dict[str, bytes] | None = None, temperature: float = 1.0) -> str:
    return save_artifact(
        blobs,
        kind="ngram-linear.v1",
        labels=LABELS,
        files=files or ngram_files(),
        settings={"temperature": temperature},
        backbone=None,
    )


def test_a_saved_model_is_loaded_with_its_labels_and_answers_probabilities(blobs: BlobStore) -> None:
    model = Loader(blobs).load(save_ngram(blobs))
    answer = model.predict(["where is my money", "完全没见过的字"])
    assert (model.kind, model.labels) == ("ngram-linear.v1", LABELS)
    assert answer.shape == (2, 2) and answer.dtype == np.float32
    assert answer.sum(axis=1) == pytest.approx(1)
    assert model.predict([]).shape == (0, 2)


def test_the_same_model_saved_twice_is_one_artifact(blobs: BlobStore) -> None:
    assert save_ngram(blobs) == save_ngram(blobs)


def test_an_altered_file_is_refused(blobs: BlobStore) -> None:
    digest = save_ngram(blobs)
    file = blobs.path(read_artifact(blobs, digest).files["weights.safetensors"])
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(Broken, match="does not match its hash"):
        Loader(blobs).load(digest)


def test_a_missing_file_is_named(blobs: BlobStore) -> None:
    digest = save_ngram(blobs)
    blobs.path(read_artifact(blobs, digest).files["vocabulary.json"]).unlink()
    with pytest.raises(NotFound, match="no blob"):
        Loader(blobs).load(digest)


@pytest.mark.parametrize("name", ["model.pkl", "weights.bin", "head.pt", "run.py"])
def test_files_that_could_run_code_are_not_kept(blobs: BlobStore, name: str) -> None:
    with pytest.raises(Broken, match="may not hold"):
        save_ngram(blobs, files={name: b""})


def test_a_manifest_of_another_format_or_kind_is_refused(blobs: BlobStore) -> None:
    manifest = {"format": "other.v9", "kind": "ngram-linear.v1", "labels": [], "settings": {}, "files": {}}
    with pytest.raises(Broken, match=r"other\.v9"):
        Loader(blobs).load(blobs.put(canonical_json(manifest)))
    with pytest.raises(Broken, match="not an artifact"):
        Loader(blobs).load(blobs.put(b"not json"))
    unknown = save_artifact(blobs, kind="oracle.v1", labels=LABELS, files={}, settings={}, backbone=None)
    with pytest.raises(Broken, match=r"oracle\.v1"):
        Loader(blobs).load(unknown)


def test_a_model_whose_parts_do_not_fit_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(Broken, match="do not fit"):
        Loader(blobs).load(save_ngram(blobs, files=ngram_files(weights_columns=3)))
    with pytest.raises(Broken, match="not finite"):
        Loader(blobs).load(save_ngram(blobs, temperature=0.0))


def test_models_on_one_backbone_share_it_and_free_it(minilm: tuple[BlobStore, str]) -> None:
    blobs, backbone = minilm
    head = frozen_linear.to_files(np.zeros((384, 2), dtype=np.float32), np.zeros(2, dtype=np.float32))
    one, two = (
        save_artifact(
            blobs, kind="frozen-linear.v1", labels=labels, files=head, settings={"temperature": 1.0}, backbone=backbone
        )
        for labels in (("a", "b"), ("c", "d"))
    )
    loader = Loader(blobs)
    first, second = loader.load(one), loader.load(two)
    assert isinstance(first, frozen_linear.FrozenLinear) and isinstance(second, frozen_linear.FrozenLinear)
    assert first.backbone is second.backbone is loader.backbone(backbone)
    del first, second
    gc.collect()
    assert len(loader._backbones) == 0
