"""The index of a knowledge base: its entries, their words and their vectors, and five signals of an entry's fit.

It knows nothing of how signals are weighed, nor of thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penstock.models.protocol import Floats, Integers
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.model.lexicon import Lexicon, Tokens, make_lexicon
from penstock.tasks.knowledge.model.tokenizer import pieces, words

SIGNALS = ("cosine", "centre", "pieces", "answer_cosine", "answer_words")
"""cosine: of the nearest of the entry's questions. centre: of their mean. pieces: BM25 of all of them as one text, by
pieces of words. answer_cosine, answer_words: of its answer. BM25 of the best single question, by words or by pieces,
was tried too: beside these it was weighed with zero on every base."""

COSINE, CENTRE, PIECES, ANSWER_COSINE, ANSWER_WORDS = range(len(SIGNALS))
BY_MEANING = ("cosine", "centre", "answer_cosine")
BY_WORDS = ("pieces", "answer_words")

Embed = Callable[[Sequence[str]], Floats]


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
    pieces: Lexicon
    answers: Lexicon
    vectors: Vectors | None
    centres: Floats | None

    def signals(self, question: str, vector: Floats | None) -> Floats:
        """(entries, 5) for one question, in the order of SIGNALS; those by meaning are 0 without vectors."""
        found = np.zeros((len(self.entries), len(SIGNALS)), dtype=np.float32)
        if not self.entries:
            return found
        found[:, PIECES] = self.pieces.scores(pieces(question))
        found[:, ANSWER_WORDS] = self.answers.scores(words(question))
        if self.vectors is not None and self.centres is not None and vector is not None:
            nearest = np.maximum.reduceat(products(self.vectors.questions, vector), self.starts)
            found[:, COSINE] = self.vectors.scaled(nearest)
            found[:, CENTRE] = self.vectors.scaled(products(self.centres, vector))
            found[:, ANSWER_COSINE] = self.vectors.scaled(products(self.vectors.answers, vector))
        return found

    def span(self, place: int) -> slice:
        """The questions of entry number `place`, among all."""
        start = int(self.starts[place])
        return slice(start, start + len(self.entries[place].questions))

    def changed(self, kept: Sequence[int], added: Sequence[Entry], embed: Embed | None) -> Index:
        """With only these entries (rising places), and others after them; the others alone are embedded and indexed."""
        entries = (*(self.entries[place] for place in kept), *added)
        still = np.array(kept, dtype=np.int64)
        starts = _starts(entries)
        vectors = self.vectors
        if vectors is not None and embed is not None:
            counts = [len(entry.questions) for entry in self.entries]
            rows = np.repeat(np.isin(np.arange(len(counts)), still), counts)
            questions, answers = embedded(added, embed, vectors.questions.shape[1])
            vectors = replace(
                vectors,
                questions=np.concatenate([vectors.questions[rows], questions]),
                answers=np.concatenate([vectors.answers[still], answers]),
            )
        return Index(
            entries=entries,
            starts=starts,
            pieces=self.pieces.changed(still, [asked_pieces(entry.questions) for entry in added]),
            answers=self.answers.changed(still, [words(entry.answer) for entry in added]),
            vectors=vectors,
            centres=None if vectors is None else _centres(vectors.questions, starts),
        )


def products(rows: Floats, vector: Floats) -> Floats:
    """Dot products (n,) of rows (n, hidden) with one vector (hidden,).

    einsum's own loop, not BLAS, which may round otherwise on another number of threads.
    """
    found: Floats = np.einsum("nh,h->n", rows, vector, optimize=False)
    return found


def make_index(entries: Sequence[Entry], vectors: Vectors | None) -> Index:
    """Index entries. vectors: of their questions and answers, in this order."""
    starts = _starts(entries)
    return Index(
        entries=tuple(entries),
        starts=starts,
        pieces=make_lexicon([asked_pieces(entry.questions) for entry in entries]),
        answers=make_lexicon([words(entry.answer) for entry in entries]),
        vectors=vectors,
        centres=None if vectors is None else _centres(vectors.questions, starts),
    )


def asked_pieces(questions: Sequence[str]) -> Tokens:
    """The pieces of several questions as of one text."""
    return tuple(piece for question in questions for piece in pieces(question))


def embedded(entries: Sequence[Entry], embed: Embed, hidden: int) -> tuple[Floats, Floats]:
    """The vectors of the entries' questions (questions, hidden) and of their answers (entries, hidden)."""
    if not entries:
        empty = np.zeros((0, hidden), dtype=np.float32)
        return empty, empty
    questions = embed([question for entry in entries for question in entry.questions])
    return questions, embed([entry.answer for entry in entries])


def _starts(entries: Sequence[Entry]) -> Integers:
    counts = [len(entry.questions) for entry in entries]
    return np.cumsum([0, *counts])[:-1].astype(np.int64)


def _centres(questions: Floats, starts: Integers) -> Floats:
    """The unit mean vectors (entries, hidden) of each entry's questions."""
    if not len(starts):
        return np.zeros((0, questions.shape[1]), dtype=np.float32)
    sums = np.add.reduceat(questions, starts, axis=0)
    lengths = np.maximum(np.sqrt((sums * sums).sum(axis=1, keepdims=True)), 1e-9)
    found: Floats = (sums / lengths).astype(np.float32)
    return found
