"""BM25 of documents for one question, as the share of the question's information that a document holds.

Robertson and Zaragoza 2009, in Lucene's variant, by the library bm25s. It knows tokens only, no entries.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from penstock.models.protocol import Floats

Tokens = tuple[str, ...]
K1, B = 1.5, 0.75  # the library's defaults


@dataclass(frozen=True, eq=False)
class Lexicon:
    """documents: their tokens, kept so that a document can join. index: None when no document has a token."""

    documents: tuple[Tokens, ...]
    holding: Counter[str]
    index: Any

    def scores(self, tokens: Tokens) -> Floats:
        """(documents,) in [0, 1): BM25 over the sum of the tokens' idf, unknown tokens counted, so that a question of
        which only the small words are known scores low. One question at a time: it cannot depend on others."""
        known = [token for token in tokens if token in self.holding]
        if self.index is None or not known:
            return np.zeros(len(self.documents), dtype=np.float32)
        found: Floats = self.index.get_scores(known).astype(np.float32) / np.float32(self._most(tokens))
        return found

    def score_of(self, document: Tokens, tokens: Tokens) -> float:
        """What `document`, which need not be one of them, would score beside the others: calibration asks so about an
        entry without one of its questions."""
        counts, mean = Counter(document), sum(map(len, self.documents)) / max(1, len(self.documents))
        if not counts or not mean:
            return 0.0
        fullness = K1 * (1 - B + B * len(document) / mean)
        return math.fsum(
            self._information(token) * counts[token] / (counts[token] + fullness) for token in tokens
        ) / self._most(tokens)

    def _most(self, tokens: Tokens) -> float:
        return math.fsum(self._information(token) for token in tokens) or 1.0

    def _information(self, token: str) -> float:
        holding = self.holding[token]
        return math.log1p((len(self.documents) - holding + 0.5) / (holding + 0.5))


def make_lexicon(documents: Sequence[Tokens]) -> Lexicon:
    """Index documents; 40,000 of 40 tokens take 1.7 s."""
    import bm25s

    index = None
    if any(documents):
        index = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy", csc_backend="numpy")
        index.index([list(tokens) for tokens in documents], show_progress=False)
    holding = Counter(chain.from_iterable(map(set, documents)))
    return Lexicon(tuple(documents), holding, index)
