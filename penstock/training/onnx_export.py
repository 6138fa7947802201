"""Exports a sentence encoder to ONNX, pooling and normalisation inside the graph. Needs torch and transformers."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats
from penstock.training.extras import training_libraries

MOST_DIFFERENCE = 1e-4
OPSET = 17
PROBES = (
    "card",
    "Where is my order?",
    "退款什么时候到账？",
    "I was charged twice for the same thing, and nobody answers the phone; please give me one payment back.",
    "a much longer text that will be cut at the model's limit, whatever that is: " * 100,
)


@dataclass(frozen=True, eq=False)
class Encoder:
    """A torch module from (ids, mask) to unit vectors (n, hidden)."""

    module: Any
    hidden: int


def load_encoder(folder: Path, where: str, *, pooling: str) -> Encoder:
    """The model in `folder`, from safetensors only. pooling: "mean" or "cls". Raises BadInput when it is no encoder."""
    with training_libraries("exporting a backbone"):
        import torch
        import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, loaded = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",  # the others trace into graphs that onnxruntime runs no faster
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        raise BadInput(f"the model cannot be loaded: {error}", where=where, hint=_HINT) from None
    missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)
    if missing:
        raise BadInput(f"{len(missing)} weights are missing, the first {missing[0]!r}", where=where, hint=_HINT)
    return Encoder(_pooled(model.eval(), pooling), int(model.config.hidden_size))


def to_onnx(encoder: Encoder) -> bytes:
    """The graph with its weights: input_ids and attention_mask (n, tokens) int64 to vectors (n, hidden) float32.

    By tracing: 1.3 s for all-MiniLM-L6-v2, where the newer exporter takes 7 to 11 s for a graph of the same speed.
    """
    import torch

    ids = torch.arange(10).reshape(2, 5)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of branches; the comparison after it decides
        target = Path(folder) / "model.onnx"
        torch.onnx.export(
            encoder.module,
            (ids, mask),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={
                "input_ids": {0: "n", 1: "tokens"},
                "attention_mask": {0: "n", 1: "tokens"},
                "vectors": {0: "n"},
            },
        )
        return target.read_bytes()


def measure_parity(encoder: Encoder, backbone: Backbone, where: str) -> float:
    """The largest difference of a vector's component between torch and the export, alone and in padded batches.

    Raises Broken above 1e-4.
    """
    expected = np.concatenate([_original(encoder, backbone, text) for text in PROBES])
    differences = [np.abs(got - expected).max() for got in (backbone.embed(PROBES), backbone.embed_bulk(PROBES))]
    largest = float(max(differences))
    if not largest <= MOST_DIFFERENCE:
        raise Broken(
            f"the exported backbone differs from the original by {largest:.2g}",
            where=where,
            hint=f"at most {MOST_DIFFERENCE:g} is allowed; use another model",
        )
    return largest


def _original(encoder: Encoder, backbone: Backbone, text: str) -> Floats:
    import torch

    ids = torch.tensor([backbone.tokenizer.encode(text).ids])
    with torch.no_grad():
        vectors: Floats = encoder.module(ids, torch.ones_like(ids)).numpy()
    return vectors


def _pooled(model: Any, pooling: str) -> Any:
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if pooling == "cls":
                vectors = states[:, 0]
            else:
                weights = attention_mask.unsqueeze(-1).to(states.dtype)
                vectors = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
            return torch.nn.functional.normalize(vectors, dim=1)

    return Pooled().eval()


_HINT = "use a BERT-like sentence encoder with model.safetensors and tokenizer.json"
