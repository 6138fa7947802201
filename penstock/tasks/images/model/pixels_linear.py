"""`pixels-linear.v1`: a linear model on pixels, in numpy alone. It does not know how it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.protocol import Floats, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked
from penstock.tasks.images.data.decode import Pixels, fitted
from penstock.tasks.images.model.form import Form, read_form

KIND = "pixels-linear.v1"
WEIGHTS = "weights.safetensors"
MOST_VALUES = 1_600  # of one image: larger ones are averaged over squares; the fit rotates a matrix of this size


@dataclass(frozen=True, eq=False)
class PixelsLinear:
    """weights: (values of an averaged image, labels); bias: (labels,)."""

    labels: tuple[str, ...]
    form: Form
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
        rows = [softmax(self.scores(image), self.form.temperature) for image in images]
        return stacked(rows, len(self.labels))

    def scores(self, image: Pixels) -> Floats:
        """The uncalibrated scores (labels,) of one image."""
        return linear_scores(values_of(fitted(image, self.shape)[None])[0], self.weights, self.bias)


def values_of(images: Pixels) -> Floats:
    """What the model reads of images (n, height, width, channels): (n, values) from 0 to 1.

    Averages over squares of 1, 2, 3, … pixels a side, the least that leave at most 1,600 values.
    """
    count, height, width, channels = images.shape
    side = square(height, width, channels)
    rows, columns = height // side, width // side
    squares = images[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side, channels)
    sums = squares.sum(axis=(2, 4), dtype=np.uint32)  # whole numbers: exact, in whatever order they are added
    values: Floats = (sums.astype(np.float32) / np.float32(255 * side * side)).reshape(count, -1)
    return values


def square(height: int, width: int, channels: int) -> int:
    """The side of the squares that are averaged."""
    side = 1
    while (height // side) * (width // side) * channels > MOST_VALUES:
        side += 1
    return side


def to_files(weights: Floats, bias: Floats) -> dict[str, bytes]:
    """What an artifact of this kind holds."""
    return {WEIGHTS: tensors_to_bytes({"weights": weights, "bias": bias})}


def open_parts(parts: Parts) -> PixelsLinear:
    """The model that was saved. Raises Broken when the parts do not fit."""
    form = read_form(parts.settings, parts.where)
    tensors: dict[str, Any] = tensors_from_bytes(parts.read(WEIGHTS))
    height, width, channels = form.shape
    side = square(height, width, channels)
    shape = ((height // side) * (width // side) * channels, len(parts.labels))
    check_linear(parts.where, tensors["weights"], tensors["bias"], form.temperature, shape)
    return PixelsLinear(parts.labels, form, tensors["weights"], tensors["bias"])
