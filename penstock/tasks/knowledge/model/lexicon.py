"""BM25 of documents for one question, as the share of the question's information that a document holds.

Robertson and Zaragoza 2009, in Lucene's variant, by the library bm25s. It knows tokens only, no entries.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from penstock.models.protocol import Floats, Integers

Tokens = tuple[str, ...]
K1, B = 1.5, 0.75  # the library's defaults


@dataclass(frozen=True, eq=False)
class Lexicon:
    """index: of `size` documents, None when none of them has a token. holding: how many of them hold a token.
    length: their mean number of tokens.

    kept: (k,) which of them still count. added: documents that joined since, scored by the same formula with the
    statistics of the others, so that one can join in a millisecond and moves no other's score.
    """

    index: Any
    size: int
    holding: Mapping[str, int]
    length: float
    kept: Integers
    added: tuple[Tokens, ...] = ()

    def scores(self, tokens: Tokens) -> Floats:
        """(kept and added documents,) in [0, 1): BM25 over the sum of the tokens' idf, unknown tokens counted, so that
        a question of which only the small words are known scores low. One question at a time: it cannot depend on
        others."""
        known = [token for token in tokens if token in self.holding]
        found = np.zeros(len(self.kept) + len(self.added), dtype=np.float32)
        if self.index is not None and known:
            found[: len(self.kept)] = self.index.get_scores(known)[self.kept] / np.float32(self._most(tokens))
        for place, document in enumerate(self.added, len(self.kept)):
            found[place] = self.score_of(document, tokens)
        return found

    def score_of(self, document: Tokens, tokens: Tokens) -> float:
        """What `document`, which need not be one of them, scores beside the others."""
        if not document or not self.length:
            return 0.0
        counts = Counter(document)
        fullness = K1 * (1 - B + B * len(document) / self.length)
        shares = (self._information(token) * counts[token] / (counts[token] + fullness) for token in tokens)
        return math.fsum(shares) / self._most(tokens)

    def changed(self, kept: Integers, added: Sequence[Tokens]) -> Lexicon:
        """With only these documents (rising places in `scores`), and others after them."""
        before = len(self.kept)
        still = [self.added[place - before] for place in kept.tolist() if place >= before]
        return replace(self, kept=self.kept[kept[kept < before]], added=(*still, *added))

    def _most(self, tokens: Tokens) -> float:
        return math.fsum(self._information(token) for token in tokens) or 1.0

    def _information(self, token: str) -> float:
        holding = self.holding.get(token, 0)
        return math.log1p((self.size - holding + 0.5) / (holding + 0.5))


def make_lexicon(documents: Sequence[Tokens]) -> Lexicon:
    """Index documents."""
    import bm25s

    index = None
    if any(documents):
        index = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy", csc_backend="numpy")
        index.index([list(tokens) for tokens in documents], show_progress=False)
    return Lexicon(
        index=index,
        size=len(documents),
        holding=Counter(chain.from_iterable(map(set, documents))),
        length=sum(map(len, documents)) / max(1, len(documents)),
        kept=np.arange(len(documents)),
    )
