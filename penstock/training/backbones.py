"""Turns a backbone's source into a verified artifact of ONNX and tokenizer.json, once; torch is needed for that only.

It finds the model, checks its sha256 before anything reads it, exports it, and compares the export with the original.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, PenstockError
from penstock.models.artifact import save_artifact
from penstock.models.backbone import KIND, ONNX, TOKENIZER, open_backbone
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.exports import export_once
from penstock.training.sources import WEIGHTS
from penstock.workspace.records import Backbone as Source

EXPORT = 2  # raise it when an export of the same model would come out otherwise
MOST_TOKENS = 512
MOST_BYTES = 1_900_000_000  # an ONNX file with its weights inside ends at 2 GiB
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")  # their first positions stand for padding
_READ = (
    WEIGHTS,
    "config.json",
    TOKENIZER,
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)


def resolve(
    source: Source, name: str, blobs: BlobStore, folder: Path = Path(), progress: Progress = no_progress
) -> str:
    """The digest of the exported backbone `name`. folder: where relative `path:` sources begin.

    Raises BadInput for an unknown source, a hash that does not match, or a model that cannot be used; Unavailable
    when a `hub:` model cannot be fetched or training libraries are missing; Broken when the export answers otherwise.
    """
    where = f"backbones.{name}"
    return export_once(
        source,
        where,
        blobs,
        folder,
        reads=_READ,
        needed=("config.json", TOKENIZER),
        mark=(EXPORT,),
        export=lambda place, sha256: _export(place, where, sha256, blobs, progress),
    )


def _export(place: Path, where: str, weights_sha256: str, blobs: BlobStore, progress: Progress) -> str:
    from penstock.training import onnx_export

    if (place / WEIGHTS).stat().st_size > MOST_BYTES:
        raise BadInput("the model is too large: its weights must be below 1.9 GB", where=where)
    config = _json(place / "config.json")
    settings: dict[str, Any] = {
        "pooling": _pooling(_json(place / "1_Pooling" / "config.json")),
        "max_tokens": _max_tokens(place, config),
        "weights_sha256": weights_sha256,
    }
    progress("backbone", 0, 3, "loading the original")
    encoder = onnx_export.load_encoder(place, where, pooling=settings["pooling"])
    progress("backbone", 1, 3, "exporting to ONNX, once")
    files = {ONNX: onnx_export.to_onnx(encoder), TOKENIZER: folding((place / TOKENIZER).read_bytes(), where)}
    settings |= {"hidden": encoder.hidden, "parity": 0.0}
    progress("backbone", 2, 3, "comparing with the original")
    try:
        backbone = open_backbone("not saved yet", files[ONNX], files[TOKENIZER], settings)
        settings["parity"] = onnx_export.measure_parity(encoder, backbone, where)
    except PenstockError:
        raise
    except Exception as error:  # onnxruntime and tokenizers raise bare Exceptions for models they cannot read
        raise BadInput(f"the exported model cannot be used: {error}", where=where, hint=_HINT) from error
    digest = save_artifact(blobs, kind=KIND, labels=(), files=files, settings=settings, backbone=None)
    progress("backbone", 3, 3, "done")
    return digest


_HINT = "use a BERT-like sentence encoder with model.safetensors and tokenizer.json"


def folding(tokenizer_json: bytes, where: str) -> bytes:
    """The tokenizer, reading a text as its NFKC form: full-width letters and half-width kana as the usual ones.

    Cleaning takes such texts for one, so a model must answer them alike. It is in the tokenizer, where every model made
    from the backbone gets it, and places in a text stay those of the text as sent. A tokenizer that begins with NFKC
    comes back as it is. Raises BadInput for what is no tokenizer.json.
    """
    try:
        told: dict[str, Any] = json.loads(tokenizer_json)
        own: dict[str, Any] | None = told.get("normalizer")
        steps = [] if own is None else own["normalizers"] if own["type"] == "Sequence" else [own]
        folds = bool(steps) and steps[0]["type"] == "NFKC"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"{TOKENIZER} cannot be read: {error!r}", where=where, hint=_HINT) from None
    if folds:
        return tokenizer_json
    told["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, *steps]}
    return json.dumps(told, ensure_ascii=False).encode()


def _pooling(config: dict[str, Any]) -> str:
    """Vectors are the mean of the tokens', unless the model was trained to put its meaning into the first one."""
    first = config.get("pooling_mode_cls_token") is True or config.get("pooling_mode") == "cls"
    return "cls" if first else "mean"


def _max_tokens(place: Path, config: dict[str, Any]) -> int:
    """The least of the lengths that the model's files name: 256 for all-MiniLM-L6-v2."""
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and config.get("model_type") in _OFFSET_POSITIONS:
        positions -= 2
    named = (
        positions,
        _json(place / "sentence_bert_config.json").get("max_seq_length"),
        _json(place / "tokenizer_config.json").get("model_max_length"),
    )
    return int(min([MOST_TOKENS, *(length for length in named if isinstance(length, int) and length > 0)]))


def _json(file: Path) -> dict[str, Any]:
    """A configuration file, {} when there is none."""
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"not valid JSON: {error}", where=str(file)) from None
    return found if isinstance(found, dict) else {}
