"""A softmax head on a backbone's sentence vectors: `frozen-linear.v1` on one that many products share,
`encoder-linear.v1` on one that was tuned for it. It does not know how it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked

KIND = "frozen-linear.v1"
TUNED = "encoder-linear.v1"
HEAD = "head.safetensors"


@dataclass(frozen=True, eq=False)
class FrozenLinear:
    """weights: (hidden, labels); bias: (labels,); scores are divided by the temperature."""

    labels: tuple[str, ...]
    backbone: Backbone
    weights: Floats
    bias: Floats
    temperature: float
    kind: str = KIND
    unsure_below: float | None = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels)."""
        return self.from_vectors(self.backbone.embed(texts))

    def from_vectors(self, vectors: Floats) -> Floats:
        """Probabilities (n, labels) of the backbone's vectors (n, hidden)."""
        rows = [softmax(linear_scores(vector, self.weights, self.bias), self.temperature) for vector in vectors]
        return stacked(rows, len(self.labels))


def to_files(weights: Floats, bias: Floats) -> dict[str, bytes]:
    """What an artifact of this kind holds; the backbone is an artifact of its own."""
    return {HEAD: tensors_to_bytes({"weights": weights, "bias": bias})}


def open_parts(parts: Parts, kind: str = KIND) -> FrozenLinear:
    """The model that was saved, on its backbone. Raises Broken when the parts do not fit."""
    backbone = parts.text_backbone()
    tensors = tensors_from_bytes(parts.read(HEAD))
    temperature = float(parts.settings["temperature"])
    shape = (backbone.hidden, len(parts.labels))
    check_linear(parts.where, tensors["weights"], tensors["bias"], temperature, shape)
    weights, bias, below = tensors["weights"], tensors["bias"], parts.unsure_below
    return FrozenLinear(parts.labels, backbone, weights, bias, temperature, kind, below)


def open_tuned(parts: Parts) -> FrozenLinear:
    """The same, on a backbone of its own."""
    return open_parts(parts, TUNED)
