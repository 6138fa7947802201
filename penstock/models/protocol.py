"""What every model is to the rooms that use it: labels, and probabilities for texts. It knows no kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


class Model(Protocol):
    """Predicts one of `labels` for a text. kind: the registered name of how, e.g. "ngram-linear.v1"."""

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, len(labels)), float32. Row i is bit-identical to predicting texts[i] alone."""
        ...
