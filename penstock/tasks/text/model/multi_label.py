"""Linear models that give a text any number of labels: each has a probability and a threshold of its own.

`ngram-multi-label.v1` on n-grams, `frozen-multi-label.v1` on a backbone's vectors. They do not know how they were
trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.backbone import Backbone
from penstock.models.protocol import THRESHOLDS, Floats, Opener, Part, Parts
from penstock.models.softmax import check_linear, linear_scores, stacked
from penstock.models.steps import Stepwise, drained
from penstock.tasks.text.model import ngrams
from penstock.tasks.text.model.ngram_linear import shared_out
from penstock.tasks.text.model.ngrams import Vocabulary

NGRAM, FROZEN = "ngram-multi-label.v1", "frozen-multi-label.v1"
HEAD, VOCABULARY = "head.safetensors", "vocabulary.json"


def sigmoid(scores: Floats) -> Floats:
    """Probabilities of scores, each by itself, computed in float64."""
    probabilities: Floats = np.exp(-np.logaddexp(0.0, -scores.astype(np.float64))).astype(np.float32)
    return probabilities


@dataclass(frozen=True, eq=False)
class NgramMultiLabel:
    """weights: (columns of the vocabulary, labels); bias, thresholds: (labels,)."""

    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: Floats
    bias: Floats
    thresholds: Floats
    kind: str = NGRAM

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels), each label's by itself."""
        return stacked([sigmoid(self.scores(text)) for text in texts], len(self.labels))

    def scores(self, text: str) -> Floats:
        """The logits (labels,) of one text."""
        columns, values = self.vocabulary.vector(text)
        return linear_scores(values, self.weights[columns], self.bias)

    def explain(self, text: str, label: int) -> tuple[Part, ...]:
        """Each word's share of the label's logit."""
        return drained(self.explain_steps(text, label))

    def explain_steps(self, text: str, label: int) -> Stepwise[tuple[Part, ...]]:
        """The same, with pauses."""
        columns, values = self.vocabulary.vector(text)
        shares = values * self.weights[columns, label]
        return (yield from shared_out(self.vocabulary, text, dict(zip(columns.tolist(), shares.tolist(), strict=True))))


@dataclass(frozen=True, eq=False)
class FrozenMultiLabel:
    """weights: (hidden, labels); bias, thresholds: (labels,)."""

    labels: tuple[str, ...]
    backbone: Backbone
    weights: Floats
    bias: Floats
    thresholds: Floats
    kind: str = FROZEN

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels), each label's by itself."""
        return self.from_vectors(self.backbone.embed(texts))

    def from_vectors(self, vectors: Floats) -> Floats:
        """Probabilities (n, labels) of the backbone's vectors (n, hidden)."""
        rows = [sigmoid(linear_scores(vector, self.weights, self.bias)) for vector in vectors]
        return stacked(rows, len(self.labels))


def head_file(weights: Floats, bias: Floats, thresholds: Floats) -> dict[str, bytes]:
    """What an artifact of either kind holds; a backbone is an artifact of its own."""
    return {HEAD: tensors_to_bytes({"weights": weights, "bias": bias, THRESHOLDS: thresholds})}


def ngram_files(vocabulary: Vocabulary, weights: Floats, bias: Floats, thresholds: Floats) -> dict[str, bytes]:
    """The same, with the n-grams."""
    tensors = {"weights": weights, "bias": bias, THRESHOLDS: thresholds, "idf": vocabulary.idf}
    return {HEAD: tensors_to_bytes(tensors), VOCABULARY: ngrams.vocabulary_json(vocabulary)}


def open_ngram(parts: Parts) -> NgramMultiLabel:
    """The model that was saved. Raises Broken when the parts do not fit."""
    tensors = tensors_from_bytes(parts.read(HEAD))
    vocabulary = ngrams.read_vocabulary(parts.read(VOCABULARY), tensors["idf"], parts.where)
    return NgramMultiLabel(parts.labels, vocabulary, *_checked(parts, tensors, len(vocabulary)))


def open_frozen(parts: Parts) -> FrozenMultiLabel:
    """The model that was saved, on its backbone. Raises Broken when the parts do not fit."""
    backbone = parts.text_backbone()
    tensors = tensors_from_bytes(parts.read(HEAD))
    return FrozenMultiLabel(parts.labels, backbone, *_checked(parts, tensors, backbone.hidden))


def _checked(parts: Parts, tensors: Mapping[str, Floats], columns: int) -> tuple[Floats, Floats, Floats]:
    weights, bias, thresholds = tensors["weights"], tensors["bias"], tensors[THRESHOLDS]
    check_linear(parts.where, weights, bias, 1.0, (columns, len(parts.labels)))
    if thresholds.shape != bias.shape or not (thresholds > 0).all():
        raise Broken(f"thresholds {thresholds.shape} do not fit {len(parts.labels)} labels", where=parts.where)
    return weights, bias, thresholds


KINDS: Mapping[str, Opener] = {NGRAM: open_ngram, FROZEN: open_frozen}
