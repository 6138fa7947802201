"""What weights and thresholds to begin with: where a knowledge base has few paraphrases, they are all there is.

Rounded medians of four fits by today's signals, `python -m benchmarks.knowledge --prior` (a minute): three knowledge
bases cut from BANKING77's training rows (one question an entry, a quarter of the intents left out as questions without
an answer), and the example's entries without their paraphrases, which alone weigh the answers' signals. The thresholds
by meaning and by both are pooled, as these kinds share them. The fits differ: that for 80% was 0.59 to 1.00 by words
and 0.48 to 0.70 by meaning. The thresholds for 50% and 100% are set, not fitted. The fits read no test row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penstock.tasks.knowledge.model.answering import BM25, FROZEN, HYBRID, TUNED
from penstock.tasks.knowledge.model.index import BY_MEANING, BY_WORDS


@dataclass(frozen=True)
class Prior:
    """weights: by signal, in the order of SIGNALS. thresholds: (target precision, threshold), rising."""

    weights: tuple[float, ...]
    none: float
    thresholds: tuple[tuple[float, float], ...]

    def threshold(self, target: float) -> float:
        """The threshold for a precision, between those that were found."""
        targets, found = zip(*self.thresholds, strict=True)
        return float(np.interp(target, targets, found))


USED: Mapping[str, tuple[str, ...]] = {
    BM25: BY_WORDS,
    FROZEN: BY_MEANING,
    HYBRID: (*BY_MEANING, *BY_WORDS),
    TUNED: (*BY_MEANING, *BY_WORDS),
}
"""The signals of each kind."""

_BY_WORDS = ((0.5, 0.45), (0.7, 0.69), (0.8, 0.91), (0.9, 0.95), (0.95, 0.98), (1.0, 1.0))
_BY_MEANING = ((0.5, 0.25), (0.7, 0.46), (0.8, 0.62), (0.9, 0.86), (0.95, 0.95), (1.0, 1.0))
_BOTH = Prior((0.85, 0.85, 4.7, 1.1, 8.3), 5.4, _BY_MEANING)

PRIORS: Mapping[str, Prior] = {
    BM25: Prior((0.0, 0.0, 34.0, 0.0, 21.0), 4.6, _BY_WORDS),
    FROZEN: Prior((1.0, 0.9, 0.0, 1.3, 0.0), 5.3, _BY_MEANING),
    HYBRID: _BOTH,
    TUNED: _BOTH,
}
