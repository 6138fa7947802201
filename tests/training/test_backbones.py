"""A backbone from any source is checked before use, exported once, and answers as the original."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock.core.errors import BadInput, Unavailable
from penstock.core.hashing import sha256_of_file
from penstock.loader import Loader
from penstock.models.artifact import read_artifact
from penstock.storage.blobs import BlobStore
from penstock.training import onnx_export
from penstock.training.backbones import resolve
from penstock.workspace.records import Backbone


def test_minilm_answers_as_the_original(minilm: tuple[BlobStore, str]) -> None:
    backbone = Loader(minilm[0]).backbone(minilm[1])
    assert backbone.parity <= 1e-4
    assert (backbone.hidden, backbone.max_tokens) == (384, 256)
    card, cards, weather = backbone.embed(["my card is lost", "I cannot find my bank card", "it rains today"])
    assert card @ cards > 0.6 > 0.3 > card @ weather


def test_a_folder_of_ones_own_becomes_a_backbone_once(
    tiny_bert: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Backbone(source="path:tiny-bert", sha256=sha256_of_file(tiny_bert / "model.safetensors"))
    digest = resolve(source, "own", blobs, tiny_bert.parent)
    monkeypatch.setattr(onnx_export, "load_encoder", None)
    assert resolve(source, "own", blobs, tiny_bert.parent) == digest, "the second time nothing is exported"
    backbone = Loader(blobs).backbone(digest)
    assert (backbone.hidden, backbone.max_tokens) == (16, 24)
    assert np.linalg.norm(backbone.embed(["a b c", "d" * 500]), axis=1) == pytest.approx(1)


def test_a_lost_export_is_made_again(tiny_bert: Path, blobs: BlobStore) -> None:
    source = Backbone(source=f"path:{tiny_bert}")
    digest = resolve(source, "own", blobs)
    blobs.path(read_artifact(blobs, digest).files["model.onnx"]).unlink()
    assert resolve(source, "own", blobs) == digest
    assert Loader(blobs).backbone(digest).embed(["a"]).shape == (1, 16)


def test_pooling_follows_the_models_own_configuration(tiny_bert: Path, blobs: BlobStore) -> None:
    mean = resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)
    (tiny_bert / "1_Pooling").mkdir()
    (tiny_bert / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    first = resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)
    assert read_artifact(blobs, first).settings["pooling"] == "cls"
    one, two = (Loader(blobs).backbone(digest).embed(["a b c"]) for digest in (mean, first))
    assert np.abs(one - two).max() > 1e-3


def test_other_weights_than_expected_are_refused_with_both_hashes(tiny_bert: Path, blobs: BlobStore) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(Backbone(source=f"path:{tiny_bert}", sha256="0" * 64), "own", blobs)
    assert sha256_of_file(tiny_bert / "model.safetensors") in str(caught.value)
    assert "0" * 64 in str(caught.value)


def test_pickled_weights_are_never_read(tiny_bert: Path, blobs: BlobStore) -> None:
    (tiny_bert / "model.safetensors").rename(tiny_bert / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"pytorch_model\.bin, a format that can run code"):
        resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)


def test_a_model_that_asks_to_run_its_own_code_is_refused(tiny_bert: Path, blobs: BlobStore) -> None:
    config = json.loads((tiny_bert / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (tiny_bert / "config.json").write_text(json.dumps(config))
    (tiny_bert / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(BadInput, match="cannot be loaded"):
        resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)


def test_weights_that_lack_a_layer_are_refused(tiny_bert: Path, blobs: BlobStore) -> None:
    config = json.loads((tiny_bert / "config.json").read_text()) | {"num_hidden_layers": 3}
    (tiny_bert / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="weights are missing"):
        resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_missing_file_is_named(tiny_bert: Path, blobs: BlobStore, missing: str) -> None:
    (tiny_bert / missing).unlink()
    with pytest.raises(BadInput, match=missing):
        resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)


@pytest.mark.parametrize(
    "source", ["package:no-such-package", "package:../x", "path:no/such/folder", "package:os.path"]
)
def test_a_source_that_is_not_there_is_named_with_its_line(source: str, blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(Backbone(source=source), "own", blobs, tmp_path)
    assert caught.value.where == "backbones.own.source" and caught.value.hint


def test_without_a_network_the_hub_says_what_to_do(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def no_network(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_network)
    with pytest.raises(Unavailable, match="no route to host") as caught:
        resolve(Backbone(source="hub:some/encoder"), "own", blobs)
    assert "path:DIR" in str(caught.value)


def test_without_torch_it_says_what_to_install(
    tiny_bert: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unavailable, match="torch") as caught:
        resolve(Backbone(source=f"path:{tiny_bert}"), "own", blobs)
    assert "[train]" in str(caught.value)
