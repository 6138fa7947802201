"""`cascade.v1`: a cheap model answers where it is sure enough, a dear one the rest. It does not know how either was
trained, nor how the threshold was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Model, Parts

KIND = "cascade.v1"


@dataclass(frozen=True, eq=False)
class Cascade:
    """threshold: the cheap half's answer holds when the probability of its likeliest label is at least this."""

    labels: tuple[str, ...]
    cheap: Model
    dear: Model
    threshold: float
    kind: str = KIND
    unsure_below: float | None = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels). Both halves answer a text alike in any batch, so the cascade does too."""
        answers = self.cheap.predict(texts).copy()
        unsure = np.flatnonzero(answers.max(axis=1, initial=0.0) < np.float32(self.threshold))
        if len(unsure):
            answers[unsure] = self.dear.predict([texts[row] for row in unsure.tolist()])
        return answers

    def half(self, text: str) -> Model:
        """The half whose answer holds for this text."""
        return self.cheap if self.cheap.predict([text]).max() >= np.float32(self.threshold) else self.dear


def open_parts(parts: Parts) -> Cascade:
    """The cascade of two artifacts. Raises NotFound when one is gone, Broken when they do not fit."""
    if parts.load is None:
        raise Broken("a cascade can only be loaded where its halves can", where=parts.where)
    cheap, dear = (parts.load(str(parts.settings[half])) for half in ("cheap", "dear"))
    threshold = float(parts.settings["threshold"])
    if not cheap.labels == dear.labels == parts.labels:
        raise Broken("the halves of the cascade have other labels", where=parts.where)
    if not 0.0 <= threshold <= 2.0:  # above 1: the dear half answers all
        raise Broken(f"a cascade's threshold cannot be {threshold}", where=parts.where)
    return Cascade(parts.labels, cheap, dear, threshold, unsure_below=parts.unsure_below)
