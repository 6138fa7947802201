"""Text classification, typed: texts to send, and the label of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.client.core import Call, Prediction, predict_as


@dataclass(frozen=True)
class Label:
    """The likeliest label of a text with its score, and the likeliest three as (label, score)."""

    label: str
    score: float
    top: tuple[tuple[str, float], ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Label:
        """One of `Prediction.outputs`."""
        top = tuple((one["label"], float(one["score"])) for one in output["top"])
        return cls(output["label"], float(output["score"]), top)


def labels(product: str, texts: Sequence[str], request_id: str | None = None) -> Call[Prediction[Label]]:
    """The call that labels texts: `client.ask(texts.labels("helpdesk", ["where is my parcel?"]))`."""
    return predict_as(Label.from_output, product, list(texts), request_id)
