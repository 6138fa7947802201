"""`frozen-vision.v1`: a softmax head on a frozen vision backbone's vectors. It does not know how it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.core.errors import Broken
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.protocol import Floats, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked
from penstock.tasks.images.data.decode import Pixels, fitted
from penstock.tasks.images.model.form import Form, read_form
from penstock.tasks.images.model.vision_backbone import VisionBackbone

KIND = "frozen-vision.v1"
HEAD = "head.safetensors"


@dataclass(frozen=True, eq=False)
class FrozenVision:
    """weights: (hidden, labels); bias: (labels,)."""

    labels: tuple[str, ...]
    form: Form
    backbone: VisionBackbone
    weights: Floats
    bias: Floats
    kind: str = KIND

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.form.shape

    @property
    def converts(self) -> bool:
        return self.form.converts

    def predict(self, images: Sequence[Pixels]) -> Floats:
        """Probabilities (n, labels) of uint8 images (height, width, channels)."""
        vectors = self.backbone.embed([fitted(image, self.shape) for image in images])
        rows = [softmax(linear_scores(each, self.weights, self.bias), self.form.temperature) for each in vectors]
        return stacked(rows, len(self.labels))


def to_files(weights: Floats, bias: Floats) -> dict[str, bytes]:
    """What an artifact of this kind holds; the backbone is an artifact of its own."""
    return {HEAD: tensors_to_bytes({"weights": weights, "bias": bias})}


def open_parts(parts: Parts) -> FrozenVision:
    """The model that was saved, on its backbone. Raises Broken when the parts do not fit."""
    if not isinstance(parts.backbone, VisionBackbone):
        raise Broken("the model stands on a vision backbone, and the artifact names none", where=parts.where)
    form = read_form(parts.settings, parts.where)
    tensors = tensors_from_bytes(parts.read(HEAD))
    shape = (parts.backbone.hidden, len(parts.labels))
    check_linear(parts.where, tensors["weights"], tensors["bias"], form.temperature, shape)
    return FrozenVision(parts.labels, form, parts.backbone, tensors["weights"], tensors["bias"])
