"""The index of a knowledge base: its entries, their words and their vectors, and seven signals of an entry's fit.

It knows nothing of how signals are weighed, nor of thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from penstock.datasets.knowledge.entries import Entry
from penstock.models.knowledge.lexicon import Lexicon, make_lexicon
from penstock.models.knowledge.words import pieces, words
from penstock.models.protocol import Floats, Integers

SIGNALS = ("cosine", "centre", "words", "pieces", "all_pieces", "answer_cosine", "answer_words")
"""cosine: of the nearest of the entry's questions. centre: of their mean. words, pieces: BM25 of the best of them.
all_pieces: BM25 of all of them as one text. answer_cosine, answer_words: the same of its answer."""

BY_MEANING = ("cosine", "centre", "answer_cosine")
BY_WORDS = ("words", "pieces", "all_pieces", "answer_words")
COSINE, CENTRE, WORDS, PIECES, ALL_PIECES, ANSWER_COSINE, ANSWER_WORDS = range(len(SIGNALS))


@dataclass(frozen=True, eq=False)
class Vectors:
    """Unit vectors of all questions (questions, hidden) and of all answers (entries, hidden), in the entries' order.

    A cosine x is given as (x - mean) / spread, where mean and spread are those of questions of different entries: so
    that weights mean the same on any encoder, whose unrelated texts may lie at 0.1 or at 0.7.
    """

    questions: Floats
    answers: Floats
    mean: float
    spread: float

    def scaled(self, cosines: Floats) -> Floats:
        """Cosines in units that do not depend on the encoder."""
        found: Floats = (cosines - np.float32(self.mean)) / np.float32(self.spread)
        return found


@dataclass(frozen=True, eq=False)
class Index:
    """starts: (entries,) where each entry's questions begin. centres: (entries, hidden), None without vectors."""

    entries: tuple[Entry, ...]
    starts: Integers
    words: Lexicon
    pieces: Lexicon
    all_pieces: Lexicon
    answers: Lexicon
    vectors: Vectors | None
    centres: Floats | None

    def signals(self, question: str, vector: Floats | None) -> Floats:
        """(entries, 7) for one question, in the order of SIGNALS; those by meaning are 0 without vectors."""
        found = np.zeros((len(self.entries), len(SIGNALS)), dtype=np.float32)
        if not self.entries:
            return found
        asked = words(question)
        parts = pieces(question)
        found[:, WORDS] = self.best(self.words.scores(asked))
        found[:, PIECES] = self.best(self.pieces.scores(parts))
        found[:, ALL_PIECES] = self.all_pieces.scores(parts)
        found[:, ANSWER_WORDS] = self.answers.scores(asked)
        if self.vectors is not None and self.centres is not None and vector is not None:
            found[:, COSINE] = self.vectors.scaled(self.best(products(self.vectors.questions, vector)))
            found[:, CENTRE] = self.vectors.scaled(products(self.centres, vector))
            found[:, ANSWER_COSINE] = self.vectors.scaled(products(self.vectors.answers, vector))
        return found

    def best(self, values: Floats) -> Floats:
        """Of (questions,) values the highest of each entry's (entries,)."""
        found: Floats = np.maximum.reduceat(values, self.starts)
        return found


def products(rows: Floats, vector: Floats) -> Floats:
    """Dot products (n,) of rows (n, hidden) with one vector (hidden,).

    einsum's own loop, not BLAS, which may round otherwise on another number of threads.
    """
    found: Floats = np.einsum("nh,h->n", rows, vector, optimize=False)
    return found


def make_index(entries: Sequence[Entry], vectors: Vectors | None) -> Index:
    """Index entries. vectors: of their questions and answers, in this order."""
    counts = [len(entry.questions) for entry in entries]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if entries else np.zeros(0, dtype=np.int64)
    questions = [question for entry in entries for question in entry.questions]
    parts = [pieces(question) for question in questions]
    ends = [*starts.tolist(), len(questions)]
    return Index(
        entries=tuple(entries),
        starts=starts,
        words=make_lexicon([words(question) for question in questions]),
        pieces=make_lexicon(parts),
        all_pieces=make_lexicon([tuple(chain.from_iterable(parts[at:end])) for at, end in pairwise(ends)]),
        answers=make_lexicon([words(entry.answer) for entry in entries]),
        vectors=vectors,
        centres=None if vectors is None else centres(vectors.questions, starts),
    )


def centres(questions: Floats, starts: Integers) -> Floats:
    """The unit mean vectors (entries, hidden) of each entry's questions."""
    if not len(starts):
        return np.zeros((0, questions.shape[1]), dtype=np.float32)
    sums = np.add.reduceat(questions, starts, axis=0)
    lengths = np.maximum(np.sqrt((sums * sums).sum(axis=1, keepdims=True)), 1e-9)
    found: Floats = (sums / lengths).astype(np.float32)
    return found


def embedded(entries: Sequence[Entry], embed: Callable[[Sequence[str]], Floats]) -> tuple[Floats, Floats]:
    """The vectors of the entries' questions and of their answers."""
    questions = embed([question for entry in entries for question in entry.questions])
    return questions, embed([entry.answer for entry in entries])
