"""`trigrams.v1`: naive Bayes on the trigrams of a text's characters, in numpy alone. It knows no training."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import tensors_from_bytes
from penstock.models.protocol import Floats, Parts

KIND = "trigrams.v1"
WEIGHTS, VOCABULARY = "weights.safetensors", "trigrams.json"
TEMPERATURE = 4.0  # trigrams overlap, so naive Bayes counts the same evidence about three times and more


@dataclass(frozen=True, eq=False)
class Trigrams:
    """A language by the trigrams that are usual in it."""

    # the languages, sorted
    labels: tuple[str, ...]
    # trigram -> its row of `logs`
    vocabulary: dict[str, int]
    # (trigrams + 1, languages) float32: log probability of each trigram, the last row of one never seen
    logs: Floats
    kind: str = KIND

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities (n, languages). Each text is scored by itself, so a batch changes nothing."""
        rows = [self._probabilities(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), dtype=np.float32)

    def _probabilities(self, text: str) -> Floats:
        unseen = len(self.vocabulary)
        rows = [self.vocabulary.get(one, unseen) for one in trigrams(text)]
        scores = self.logs[rows].sum(axis=0, dtype=np.float64) / TEMPERATURE
        odds = np.exp(scores - scores.max())
        found: Floats = (odds / odds.sum()).astype(np.float32)
        return found


def trigrams(text: str) -> list[str]:
    """Three characters each, of the lower-cased text with a blank at both ends."""
    plain = f" {' '.join(unicodedata.normalize('NFKC', text).lower().split())} "
    return [plain[at : at + 3] for at in range(max(1, len(plain) - 2))]


def open_parts(parts: Parts) -> Trigrams:
    """The model that was saved. Raises Broken when its parts do not fit."""
    vocabulary: list[str] = json.loads(parts.read(VOCABULARY))
    tensors: dict[str, Any] = tensors_from_bytes(parts.read(WEIGHTS))
    logs: Floats = tensors["logs"]
    if logs.shape != (len(vocabulary) + 1, len(parts.labels)) or not np.isfinite(logs).all():
        raise Broken("the weights do not fit the languages and trigrams", where=parts.where)
    return Trigrams(parts.labels, {one: row for row, one in enumerate(vocabulary)}, logs)
