"""A backbone as torch: the encoder that its ONNX came from, to be tuned or cut, and a changed one kept as a backbone.

A tuned backbone keeps its torch weights as an artifact of their own, which nobody needs for serving.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, NotFound
from penstock.core.hashing import sha256_of, sha256_of_file
from penstock.models.artifact import read_artifact, save_artifact
from penstock.models.backbone import KIND, ONNX, TOKENIZER, Backbone, load_backbone, open_backbone
from penstock.storage.blobs import BlobStore
from penstock.training import onnx_export
from penstock.training.exports import source_of
from penstock.training.onnx_export import Encoder
from penstock.training.sources import WEIGHTS, locate
from penstock.workspace.records import Backbone as Source

WEIGHTS_KIND = "encoder-weights.v1"
CONFIG = "config.json"
_AGAIN = "train another rung on it first: that exports it again"


def load_torch(blobs: BlobStore, backbone: Backbone) -> Encoder:
    """The torch encoder of a backbone, as it was before its export: the original model, or the weights kept with it.

    Raises NotFound, BadInput when the original is gone or has changed, or the backbone has none (an int8 one).
    """
    settings = read_artifact(blobs, backbone.digest).settings
    kept = settings.get("weights")
    where = f"backbone {backbone.digest[:12]}…"
    if kept is not None:
        return _load_kept(blobs, str(kept), where, str(settings["pooling"]))
    folder, pooling = original(blobs, backbone)
    return onnx_export.load_encoder(folder, where, pooling=pooling)


def original(blobs: BlobStore, backbone: Backbone) -> tuple[Path, str]:
    """The folder of the model that the backbone was exported from, its weights' hash checked, and its pooling.

    Where it came from is remembered beside the blobs by its export. Raises BadInput when it is not there any more.
    """
    where = f"backbone {backbone.digest[:12]}…"
    settings = read_artifact(blobs, backbone.digest).settings
    source = source_of(blobs, backbone.digest)
    if source is None:
        raise NotFound("the backbone's original is not known here", where=where, hint=_AGAIN)
    folder = locate(Source(source=source), where, blobs.state.parent)
    if sha256_of_file(folder / WEIGHTS) != settings["weights_sha256"]:
        raise BadInput("the backbone's original has changed since its export", where=where, hint=_AGAIN)
    return folder, str(settings["pooling"])


def keep_torch(
    blobs: BlobStore, encoder: Encoder, like: Backbone, *, tokenizer: bytes | None = None, settings: Mapping[str, Any]
) -> Backbone:
    """Export a changed encoder, compare the export with it, and keep both: the backbone, loaded.

    like: the backbone it was made from, whose pooling, length and tokenizer hold on. tokenizer: tokenizer.json, where
    the vocabulary changed too. settings: what else to remember, e.g. {"made_by": "full.v1"}. Raises Broken when the
    export answers otherwise than the encoder.
    """
    before = read_artifact(blobs, like.digest)
    words = before.read(TOKENIZER) if tokenizer is None else tokenizer
    onnx = onnx_export.to_onnx(encoder)
    told: dict[str, Any] = {
        "pooling": before.settings["pooling"],
        "max_tokens": like.max_tokens,
        "hidden": encoder.hidden,
        "weights_sha256": sha256_of(onnx),
        "made_from": like.digest,
        **settings,
        "parity": 0.0,
    }
    told["parity"] = onnx_export.measure_parity(encoder, open_backbone("new", onnx, words, told), "the tuned backbone")
    told["weights"] = _keep_weights(blobs, encoder)
    files = {ONNX: onnx, TOKENIZER: words}
    digest = save_artifact(blobs, kind=KIND, labels=(), files=files, settings=told, backbone=None)
    return load_backbone(blobs, digest)


def _keep_weights(blobs: BlobStore, encoder: Encoder) -> str:
    from safetensors.torch import save

    model = encoder.module.model
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    files = {CONFIG: model.config.to_json_string().encode(), WEIGHTS: save(tensors, metadata={"format": "pt"})}
    return save_artifact(blobs, kind=WEIGHTS_KIND, labels=(), files=files, settings={}, backbone=None)


def _load_kept(blobs: BlobStore, digest: str, where: str, pooling: str) -> Encoder:
    artifact = read_artifact(blobs, digest)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (CONFIG, WEIGHTS):
            (folder / file).write_bytes(artifact.read(file))
        return onnx_export.load_encoder(folder, where, pooling=pooling)


def tokens_of(backbone: Backbone, texts: Sequence[str]) -> list[list[int]]:
    """Token numbers of each text, cut where the backbone cuts them."""
    return [encoding.ids or [0] for encoding in backbone.tokenizer.encode_batch_fast(list(texts))]


def padded(rows: Sequence[list[int]], device: Any = "cpu") -> tuple[Any, Any]:
    """Token numbers and mask (n, tokens), padded to the longest."""
    import torch

    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    return ids.to(device), mask.to(device)
