"""`blend.v1`: two models answer every text, and their log probabilities are mixed. It does not know how either was
trained, nor how the weight was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Model, Parts
from penstock.models.softmax import softmax, stacked

KIND = "blend.v1"
LEAST = 1e-9  # of a probability, before its logarithm


@dataclass(frozen=True, eq=False)
class Blend:
    """weight: what the second model's log probabilities count; the first's count the rest. Scores are divided by the
    temperature."""

    labels: tuple[str, ...]
    first: Model
    second: Model
    weight: float
    temperature: float
    kind: str = KIND
    unsure_below: float | None = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels). Both answer a text alike in any batch, so the blend does too."""
        mixed = blended(self.first.predict(texts), self.second.predict(texts), self.weight)
        return stacked([softmax(row, self.temperature) for row in mixed], len(self.labels))


def blended(first: Floats, second: Floats, weight: float) -> Floats:
    """The mixed log probabilities (n, labels) of two models' probabilities."""
    one, other = (np.log(np.maximum(answers, np.float32(LEAST))) for answers in (first, second))
    return np.asarray(np.float32(1 - weight) * one + np.float32(weight) * other, dtype=np.float32)


def open_parts(parts: Parts) -> Blend:
    """The blend of two artifacts. Raises NotFound when one is gone, Broken when they do not fit."""
    if parts.load is None:
        raise Broken("a blend can only be loaded where its halves can", where=parts.where)
    first, second = (parts.load(str(parts.settings[half])) for half in ("first", "second"))
    weight, temperature = float(parts.settings["weight"]), float(parts.settings["temperature"])
    if not first.labels == second.labels == parts.labels:
        raise Broken("the halves of the blend have other labels", where=parts.where)
    if not (0.0 <= weight <= 1.0 and temperature > 0):
        raise Broken(f"a blend's weight cannot be {weight}, nor its temperature {temperature}", where=parts.where)
    return Blend(parts.labels, first, second, weight, temperature, unsure_below=parts.unsure_below)
