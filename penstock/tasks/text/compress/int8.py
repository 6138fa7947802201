"""The compression `int8.v1`: the encoder's weights in 8 bits, a channel a scale; the head stays as it was.

Activations are rounded by what each run holds, so a run holds one text: then no answer depends on its batch-mates.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.models.artifact import read_artifact, save_artifact
from penstock.models.backbone import KIND, ONNX, TOKENIZER, Backbone, load_backbone
from penstock.models.protocol import Model, Parts, given
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model import KINDS
from penstock.training.compress.records import CompressRequest, backbone_of, texts_of
from penstock.training.extras import training_libraries
from penstock.training.onnx_export import PROBES
from penstock.training.records import Trained

NAME = "int8.v1"
LEAST_FIDELITY = 0.99
TEXTS = 300  # that fidelity is measured on: its mean then moves by about 0.0001 with the draw


def compress(request: CompressRequest) -> Trained:
    """The source's model on an int8 encoder.

    Raises BadInput for a model without an encoder, or one in int8 already, Broken below a fidelity of 0.99.
    """
    began = time.perf_counter()
    full, told = backbone_of(request, NAME), read_artifact(request.blobs, request.source_artifact).settings
    texts = _sample(request, private="epsilon" in told)
    if full.alone:
        raise BadInput("the model is in int8 already", where=f"artifact {request.source_artifact[:12]}…")
    request.progress("int8", 0, 3, "rounding the weights")
    made = load_backbone(request.blobs, _keep(request.blobs, full))
    request.progress("int8", 1, 3, "comparing with the original")
    before = full.embed_bulk(texts) if request.cache is None else request.cache.embed(full, texts)
    cosines = (before * made.embed_bulk(texts)).sum(axis=1)
    fidelity = float(cosines.mean())
    if not fidelity >= LEAST_FIDELITY:
        raise Broken(
            f"in int8 the encoder's vectors differ too much from the original's: their mean cosine on {len(texts):,} "
            f"texts is {fidelity:.4f}, and must be at least {LEAST_FIDELITY}",
            where=f"backbone {full.digest[:12]}…",
            hint="make this model cheaper by `--by distil` or `--by prune` instead",
        )
    request.progress("int8", 2, 3, "putting the head on it")
    model, files, settings = _same_head(request, made)
    agree = _agreement(request.source, model, texts)
    request.progress("int8", 3, 3, "done")
    smaller = _size(request.blobs, full), _size(request.blobs, made)
    return Trained(
        model=model,
        files=files,
        settings={**settings, "made_by": NAME},
        seconds=time.perf_counter() - began,
        backbone=made.digest,
        notes=(
            f"the encoder in int8, {smaller[1] / 1e6:.0f} MB instead of {smaller[0] / 1e6:.0f}; the head is unchanged",
            f"vectors: mean cosine {fidelity:.4f} to the original's, the least {float(cosines.min()):.4f}; "
            f"{agree:.1%} of the answers are the same (on {len(texts):,} texts)",
            "its answers are the same alone and in any batch; on another kind of processor they may differ slightly, "
            "since int8 is multiplied differently there",
        ),
        facts={"fidelity": fidelity, **{name: float(told[name]) for name in told if name == "epsilon"}},
    )


def _keep(blobs: BlobStore, full: Backbone) -> str:
    """The int8 backbone's digest. It has no other original, so it has the parity of the one it was made from."""
    artifact = read_artifact(blobs, full.digest)
    settings = {
        **{name: artifact.settings[name] for name in ("pooling", "max_tokens", "hidden", "parity")},
        "made_from": full.digest,
        "made_by": NAME,
        "alone": True,
    }
    files = {ONNX: quantised(artifact.path(ONNX)), TOKENIZER: artifact.read(TOKENIZER)}
    return save_artifact(blobs, kind=KIND, labels=(), files=files, settings=settings, backbone=None)


def quantised(graph: Path) -> bytes:
    """The ONNX graph with the constant side of every matrix product in int8, a scale a column.

    On all-MiniLM-L6-v2 a scale a column gives a mean cosine of 0.994 to the original, one scale a matrix 0.969; a
    narrower range (for processors without VNNI) 0.993. Rounding the embeddings too would save memory and no time.
    """
    with training_libraries("compressing to int8"):
        import onnx  # noqa: F401 - the quantiser needs it
        from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _without_advice():
        target = Path(folder) / ONNX
        quantize_dynamic(
            str(graph),
            str(target),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


@contextmanager
def _without_advice() -> Iterator[None]:
    """The quantiser advises, on the root logger, a pre-processing that changes nothing here."""
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _same_head(request: CompressRequest, backbone: Backbone) -> tuple[Model, Mapping[str, bytes], Mapping[str, Any]]:
    """The source with nothing changed but its backbone; its files and settings."""
    artifact = read_artifact(request.blobs, request.source_artifact)
    parts = Parts(artifact.labels, artifact.settings, artifact.read, "the int8 model", backbone, artifact.path)
    files = {name: artifact.read(name) for name in artifact.files}
    return KINDS[artifact.kind](parts), files, artifact.settings


def _agreement(one: Model, other: Model, texts: list[str]) -> float:
    """The share of texts with the same label, or the same labels."""
    return float((given(one, one.predict(texts)) == given(other, other.predict(texts))).all(axis=1).mean())


def _sample(request: CompressRequest, *, private: bool) -> list[str]:
    """Texts to compare on: some of the training's. Of a private model, texts that are nobody's: rounding reads no row,
    and the figures that tell of it must not either, so its epsilon still holds."""
    texts = texts_of(request, NAME)
    if private:
        return list(PROBES)
    chosen = np.random.default_rng(request.seed).permutation(len(texts))[:TEXTS]
    return [texts[row] for row in sorted(chosen)]


def _size(blobs: BlobStore, backbone: Backbone) -> int:
    return read_artifact(blobs, backbone.digest).path(ONNX).stat().st_size
