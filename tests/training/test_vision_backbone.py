"""A pretrained vision model from a folder is checked before use, exported once, and carries a head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import sha256_of_file
from penstock.models.artifact import read_artifact
from penstock.models.protocol import Parts
from penstock.storage.blobs import BlobStore
from penstock.tasks.images.data.rows import Pictures
from penstock.tasks.images.model import KINDS
from penstock.tasks.images.model.vision_backbone import Preparation, load_vision_backbone
from penstock.tasks.images.train import RUNGS, vision
from penstock.tasks.images.train.vision import resolve_vision
from penstock.training.records import TrainRequest, save
from penstock.workspace.records import Backbone

PREPARATION = {
    "size": {"height": 16, "width": 16},
    "resample": 3,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.2],
}


@pytest.fixture
def tiny_vit(tmp_path: Path) -> Path:
    """The files of a vision transformer of two small layers, as a user would have them in a folder."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=4
    )
    folder = tmp_path / "tiny-vit"
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPARATION))
    return folder


@pytest.fixture
def tiny_resnet(tmp_path: Path) -> Path:
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", num_channels=3
    )
    folder = tmp_path / "tiny-resnet"
    transformers.ResNetModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 32}, "crop_size": 24}))
    return folder


def images(count: int = 24) -> Pictures:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 20, 24, 3), dtype=np.uint8)
    pixels[::2, :, :, 0] //= 8
    return Pictures(pixels, ("cold", "warm") * (count // 2), ("",) * count)


def test_it_sees_as_the_original_does(tiny_vit: Path, blobs: BlobStore) -> None:
    import torch
    import transformers

    source = Backbone(source="path:tiny-vit", sha256=sha256_of_file(tiny_vit / "model.safetensors"))
    backbone = load_vision_backbone(blobs, resolve_vision(source, "vision", blobs, tiny_vit.parent))
    assert backbone.hidden == 16 and 0 < backbone.parity <= 1e-4
    image = images(2).inputs[0]
    prepared = torch.from_numpy(np.array(backbone.preparation(image))).permute(2, 0, 1).float() / 255
    mean, deviation = (torch.tensor(PREPARATION[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    model = transformers.ViTModel.from_pretrained(tiny_vit, add_pooling_layer=False)
    with torch.no_grad():
        first = model(((prepared - mean) / deviation)[None]).last_hidden_state[0, 0].numpy()
    assert backbone.embed([image])[0] == pytest.approx(first / np.linalg.norm(first), abs=1e-5)


@pytest.mark.parametrize("kind", ["tiny_vit", "tiny_resnet"])
def test_a_head_on_it_learns_and_answers_the_same_after_saving(
    kind: str, blobs: BlobStore, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    digest = resolve_vision(Backbone(source=f"path:{folder}"), "vision", blobs)
    backbone = load_vision_backbone(blobs, digest)
    pictures = images()
    rung = next(rung for rung in RUNGS if rung.backbone == "vision")
    trained = rung.train(TrainRequest(train=pictures, backbone=backbone))
    assert trained.backbone == digest
    artifact = read_artifact(blobs, save(trained, blobs))
    parts = Parts(artifact.labels, artifact.settings, artifact.read, "test", load_vision_backbone(blobs, digest))
    reloaded = KINDS[artifact.kind](parts)
    inputs = list(pictures.inputs)
    together = reloaded.predict(inputs)
    assert together.tobytes() == trained.model.predict(inputs).tobytes()
    assert together.tobytes() == np.concatenate([reloaded.predict([image]) for image in inputs]).tobytes()
    right = [reloaded.labels[i] == label for i, label in zip(together.argmax(axis=1), pictures.labels, strict=True)]
    assert np.mean(right) > 0.8
    with pytest.raises(Broken, match="vision backbone"):
        KINDS[artifact.kind](Parts(artifact.labels, artifact.settings, artifact.read, "test"))


def test_the_second_time_nothing_is_exported(tiny_vit: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Backbone(source=f"path:{tiny_vit}")
    digest = resolve_vision(source, "vision", blobs)
    monkeypatch.setattr(vision, "_export", None)
    assert resolve_vision(source, "vision", blobs) == digest


def test_other_weights_than_expected_are_refused_with_both_hashes(tiny_vit: Path, blobs: BlobStore) -> None:
    with pytest.raises(BadInput) as caught:
        resolve_vision(Backbone(source=f"path:{tiny_vit}", sha256="0" * 64), "vision", blobs)
    assert sha256_of_file(tiny_vit / "model.safetensors") in str(caught.value)


def test_pickled_weights_and_own_code_are_never_read(tiny_vit: Path, blobs: BlobStore) -> None:
    config = json.loads((tiny_vit / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (tiny_vit / "evil.py").write_text("raise SystemExit('ran')")
    (tiny_vit / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="cannot be loaded"):
        resolve_vision(Backbone(source=f"path:{tiny_vit}"), "vision", blobs)
    (tiny_vit / "model.safetensors").rename(tiny_vit / "pytorch_model.bin")
    with pytest.raises(BadInput, match="a format that can run code"):
        resolve_vision(Backbone(source=f"path:{tiny_vit}"), "vision", blobs)


def test_a_text_model_is_refused(tmp_path: Path, blobs: BlobStore) -> None:
    import transformers

    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(BadInput, match="cannot be used"):
        resolve_vision(Backbone(source=f"path:{tmp_path / 'bert'}"), "vision", blobs)


@pytest.mark.parametrize(
    ("preparation", "given", "seen"),
    [
        (Preparation((16, 16), None, 2), (40, 30, 3), (16, 16, 3)),
        (Preparation((32,), (24, 24), 3), (100, 50, 1), (24, 24, 3)),
        (Preparation((16,), (24, 24), 3), (9, 400, 3), (24, 24, 3)),
    ],
)
def test_any_image_is_prepared_to_the_size_the_model_reads(
    preparation: Preparation, given: tuple[int, int, int], seen: tuple[int, int, int]
) -> None:
    prepared = preparation(np.full(given, 200, dtype=np.uint8))
    assert prepared.shape == seen and prepared.max() == 200
