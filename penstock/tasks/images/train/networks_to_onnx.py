"""Exports a trained network to ONNX, and measures how far the export's answers are from the original's."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats
from penstock.models.softmax import softmax

MOST_DIFFERENCE = 1e-4
OPSET = 17


def to_onnx(module: Any, shape: tuple[int, int, int], output: str) -> bytes:
    """The graph with its weights: images (1, height, width, channels) uint8 to one row of float32.

    By tracing, in a second; the newer exporter takes several for a graph of the same speed.
    """
    import torch

    example = torch.zeros((1, *shape), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of branches; the comparison after it decides
        target = Path(folder) / "model.onnx"
        torch.onnx.export(
            module,
            (example,),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=[output],
        )
        return target.read_bytes()


def largest_difference(original: Floats, exported: Floats, temperature: float, where: str) -> float:
    """Of the probabilities of scores (n, labels). Raises Broken above 1e-4."""
    pairs = zip(original, exported, strict=True)
    differences = [np.abs(softmax(a, temperature) - softmax(b, temperature)).max() for a, b in pairs]
    largest = float(max(differences, default=0.0))
    if not largest <= MOST_DIFFERENCE:
        raise Broken(
            f"the exported model's probabilities differ from the trained one's by {largest:.2g}",
            where=where,
            hint=f"at most {MOST_DIFFERENCE:g} is allowed",
        )
    return largest
