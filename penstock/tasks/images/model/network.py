"""`small-cnn.v1` and `strong-cnn.v1`: a convolutional network as one ONNX graph from uint8 pixels to scores.

One image per run: in a batch, the last bits of a row may depend on the other rows. It knows no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Parts
from penstock.models.softmax import softmax, stacked
from penstock.tasks.images.data.decode import Pixels, fitted
from penstock.tasks.images.model.form import Form, read_form

SMALL, STRONG = "small-cnn.v1", "strong-cnn.v1"
ONNX = "model.onnx"


@dataclass(frozen=True, eq=False)
class Network:
    """session: from images (1, height, width, channels) to scores (1, labels); shared by any threads."""

    kind: str
    labels: tuple[str, ...]
    form: Form
    session: Any

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
        pixels = np.ascontiguousarray(fitted(image, self.shape)[None])
        scores: Floats = self.session.run(None, {"images": pixels})[0][0]
        return scores


def open_parts(kind: str, parts: Parts) -> Network:
    """The model that was saved, of one of the two kinds. Raises Broken when the parts do not fit."""
    form = read_form(parts.settings, parts.where)
    session = open_session(parts.path(ONNX) if parts.path is not None else parts.read(ONNX), parts.where)
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    if list(given.shape[1:]) != list(form.shape) or answered.shape[-1] != len(parts.labels):
        raise Broken(
            f"the graph reads {given.shape} and gives {answered.shape}; the model has images of {form.shape} "
            f"and {len(parts.labels)} labels",
            where=parts.where,
        )
    return Network(kind, parts.labels, form, session)


def open_session(model: Path | bytes, where: str) -> Any:
    """An ONNX graph, ready to run on one thread a run. Raises Broken when it is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves the other thread
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Broken(f"the model's graph cannot be read: {error}", where=where) from error
