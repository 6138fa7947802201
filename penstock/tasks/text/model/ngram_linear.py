"""`ngram-linear.v1`: a linear model on n-grams, answering in numpy alone. It does not know how it was trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.protocol import Floats, Part, Parts
from penstock.models.softmax import check_linear, linear_scores, softmax, stacked
from penstock.models.steps import Stepwise, drained
from penstock.tasks.text.model import ngrams
from penstock.tasks.text.model.ngrams import Vocabulary
from penstock.tasks.text.model.spans import spans

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
    unsure_below: float | None = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, labels)."""
        return stacked([softmax(self.scores(text), self.temperature) for text in texts], len(self.labels))

    def scores(self, text: str) -> Floats:
        """The uncalibrated scores (labels,) of one text."""
        columns, values = self.vocabulary.vector(text)
        return linear_scores(values, self.weights[columns], self.bias)

    def explain(self, text: str, label: int) -> tuple[Part, ...]:
        """Each word's share of the label's score: an n-gram's, spread evenly over the characters it is made of."""
        return drained(self.explain_steps(text, label))

    def explain_steps(self, text: str, label: int) -> Stepwise[tuple[Part, ...]]:
        """The same, with pauses: a text of 20,000 characters takes 0.2 s."""
        columns, values = self.vocabulary.vector(text)
        weights = self.weights[columns]
        shares = values * (weights[:, label] - weights.mean(axis=1)) / self.temperature
        return (yield from shared_out(self.vocabulary, text, dict(zip(columns.tolist(), shares.tolist(), strict=True))))


def shared_out(vocabulary: Vocabulary, text: str, shares: Mapping[int, float]) -> Stepwise[tuple[Part, ...]]:
    """Parts of the text from shares of the score by column. What lies between two parts counts for the later."""
    yield
    characters, words = yield from ngrams.sources_steps(text)
    yield
    found = [(vocabulary.characters.get(gram), stretches) for gram, stretches in characters]
    yield
    found += [(vocabulary.words.get(gram), stretches) for gram, stretches in words]
    yield
    times = Counter(column for column, _ in found)
    added = np.zeros(len(text))
    for done, (column, stretches) in enumerate(found):
        if done % ngrams.PAUSE_EVERY == 0:
            yield
        if column is not None:
            for start, _ in stretches:
                added[start] += shares[column] / times[column] / len(stretches)
    sums = np.concatenate([[0.0], np.cumsum(added)])
    yield
    parts, before = [], 0
    for start, end in spans(text):
        parts.append(Part(start, end, float(sums[end] - sums[before])))
        before = end
    return tuple(parts)


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
    weights, bias = tensors["weights"], tensors["bias"]
    return NgramLinear(parts.labels, vocabulary, weights, bias, temperature, unsure_below=parts.unsure_below)
