"""`ngram-linear.v1`: a linear model on n-grams, answering in numpy alone. It does not know how it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.models import ngrams
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.ngrams import Vocabulary
from penstock.models.protocol import Floats, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked

KIND = "ngram-linear.v1"
WEIGHTS, VOCABULARY = "weights.safetensors", "vocabulary.json"


@dataclass(frozen=True, eq=False)
class NgramLinear:
    """weights: (columns of the vocabulary, labels); bias: (labels,); scores are divided by the temperature."""

    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: Floats
    bias: Floats
    temperature: float
    kind: str = KIND

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels)."""
        return stacked([softmax(self.scores(text), self.temperature) for text in texts], len(self.labels))

    def scores(self, text: str) -> Floats:
        """The uncalibrated scores (labels,) of one text."""
        columns, values = self.vocabulary.vector(text)
        return linear_scores(values, self.weights[columns], self.bias)


def to_files(vocabulary: Vocabulary, weights: Floats, bias: Floats) -> dict[str, bytes]:
    """What an artifact of this kind holds."""
    tensors = {"weights": weights, "bias": bias, "idf": vocabulary.idf}
    return {WEIGHTS: tensors_to_bytes(tensors), VOCABULARY: ngrams.vocabulary_json(vocabulary)}


def open_parts(parts: Parts) -> NgramLinear:
    """The model that was saved. Raises Broken when the parts do not fit."""
    tensors = tensors_from_bytes(parts.read(WEIGHTS))
    vocabulary = ngrams.read_vocabulary(parts.read(VOCABULARY), tensors["idf"], parts.where)
    temperature = float(parts.settings["temperature"])
    shape = (len(vocabulary), len(parts.labels))
    check_linear(parts.where, tensors["weights"], tensors["bias"], temperature, shape)
    return NgramLinear(parts.labels, vocabulary, tensors["weights"], tensors["bias"], temperature)
