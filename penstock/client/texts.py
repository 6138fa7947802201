"""Text classification, typed: texts to send, and the label of each, or its labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.client.core import Call, Prediction, listed, predict_as


@dataclass(frozen=True)
class Part:
    """A word of the text, its characters from `start` up to `end`. weight: above 0 it spoke for the label."""

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Label:
    """The likeliest label of a text with its score, and the likeliest three as (label, score). explanation: the words
    that decided, the heaviest first, where they were asked for. label: None where the product is unsure; `reason` is
    "unsure" then. threshold: the score from which it is sure, where the product may be unsure."""

    label: str | None
    score: float
    top: tuple[tuple[str, float], ...]
    explanation: tuple[Part, ...] = ()
    reason: str | None = None
    threshold: float | None = None

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Label:
        """One of `Prediction.outputs`."""
        reason, threshold = output.get("reason"), output.get("threshold")
        return cls(output["label"], float(output["score"]), _scored(output["top"]), _parts(output), reason, threshold)


@dataclass(frozen=True)
class Labels:
    """The labels of a text with their scores, the likeliest first, as (label, score); () where none fits. top: the
    likeliest three, given or not; thresholds: the score from which on each of these is given. explanation: the words
    that decided on the likeliest, where they were asked for."""

    labels: tuple[tuple[str, float], ...]
    top: tuple[tuple[str, float], ...]
    thresholds: tuple[float, ...]
    explanation: tuple[Part, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The labels without their scores: what `correction` takes."""
        return tuple(name for name, _ in self.labels)

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Labels:
        """One of `Prediction.outputs`."""
        thresholds = tuple(float(one["threshold"]) for one in output["top"])
        return cls(_scored(output["labels"]), _scored(output["top"]), thresholds, _parts(output))


def _scored(given: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((one["label"], float(one["score"])) for one in given)


def _parts(output: Mapping[str, Any]) -> tuple[Part, ...]:
    return tuple(
        Part(one["text"], int(one["start"]), int(one["end"]), float(one["weight"]))
        for one in output.get("explanation", ())
    )


def labels(
    product: str, texts: str | Iterable[str], request_id: str | None = None, *, explain: bool = False
) -> Call[Prediction[Label]]:
    """The call that labels texts: `client.ask(texts.labels("helpdesk", ["where is my parcel?"]))`. explain: with the
    words that decided."""
    return predict_as(
        Label.from_output, product, listed(texts, (str,), "texts", each=(str,)), request_id, explain=explain
    )


def multi_label(
    product: str, texts: str | Iterable[str], request_id: str | None = None, *, explain: bool = False
) -> Call[Prediction[Labels]]:
    """The call for a product that gives a text several labels: `client.ask(texts.multi_label("tickets", [...]))`."""
    return predict_as(
        Labels.from_output, product, listed(texts, (str,), "texts", each=(str,)), request_id, explain=explain
    )
