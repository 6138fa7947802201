"""Texts as sparse tf-idf vectors of character n-grams within words and of word n-grams.

The one featuriser of training and serving, so both see the same numbers. It knows nothing of labels or weights.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import add

import numpy as np

from penstock.core.errors import Broken
from penstock.core.hashing import canonical_json
from penstock.models.protocol import Floats, Integers
from penstock.models.steps import Stepwise, drained, pausing

_WORD = re.compile(r"\w+")
PAUSE_EVERY = 8_192  # n-grams looked at: about 10 ms


@dataclass(frozen=True)
class Vocabulary:
    """The known n-grams with their columns: characters first, then words. idf: (columns,) float32.

    Character n-grams have 1 to 3 characters and see where words begin and end; a Chinese clause counts as one word,
    so the same recipe serves both scripts. Word n-grams have 1 or 2 words.
    """

    characters: dict[str, int]
    words: dict[str, int]
    idf: Floats

    def __len__(self) -> int:
        return len(self.idf)

    def vector(self, text: str) -> tuple[Integers, Floats]:
        """Columns (k,) and values (k,) of a text: (1 + ln tf) * idf, scaled to length 1. k is 0 for unknown grams."""
        characters, words = grams(text)
        counts = Counter(map(self.characters.get, characters))
        counts.update(map(self.words.get, words))
        counts.pop(None, None)
        columns = np.fromiter(counts, np.int64, len(counts))
        values = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * self.idf[columns]
        length = np.sqrt((values * values).sum())
        return columns, values / length if length > 0 else values


def grams(text: str) -> tuple[list[str], list[str]]:
    """Character n-grams and word n-grams of a text, each as often as it occurs."""
    plain = unicodedata.normalize("NFKC", text).lower()
    line = " ".join(["", *plain.split(), ""])  # one space on either side of every word
    characters = list(line.replace(" ", ""))
    characters += map(add, line, line[1:])
    characters += [three for three in map("".join, zip(line, line[1:], line[2:], strict=False)) if three[1] != " "]
    words = _WORD.findall(plain)
    return characters, words + [f"{one} {next_}" for one, next_ in pairwise(words)]


Source = tuple[str, list[tuple[int, int]]]
Sources = list[Source]


def sources(text: str) -> tuple[Sources, Sources]:
    """The n-grams of `grams` in its order, each with the stretches of the text that its characters stand for.

    Normalisation may write several characters as one, and one as several: where the two cannot be aligned, the whole
    text stands for each.
    """
    return drained(sources_steps(text))


def sources_steps(text: str) -> Stepwise[tuple[Sources, Sources]]:
    """The same, with pauses."""
    plain = unicodedata.normalize("NFKC", text).lower()
    owners = yield from _owners(text, plain)
    line, at = [(" ", -1)], 0
    for word in plain.split():
        at = plain.index(word, at)
        line += [*((sign, at + place) for place, sign in enumerate(word)), (" ", -1)]
        at += len(word)
    yield
    characters = yield from pausing(_character_grams(line, owners), PAUSE_EVERY)
    words = [(word[0], [owners[place] for place in range(*word.span())]) for word in _WORD.finditer(plain)]
    pairs = [(f"{one} {next_}", here + there) for (one, here), (next_, there) in pairwise(words)]
    return characters, words + pairs


def _character_grams(line: list[tuple[str, int]], owners: list[tuple[int, int]]) -> Iterator[Source]:
    for length in (1, 2, 3):
        for start in range(len(line) - length + 1):
            piece = line[start : start + length]
            if length == 2 or piece[length // 2][1] >= 0:  # a single blank is no n-gram, nor three around one
                yield "".join(sign for sign, _ in piece), [owners[place] for _, place in piece if place >= 0]


def _owners(text: str, plain: str) -> Stepwise[list[tuple[int, int]]]:
    """For every character of the normalised text the stretch of the text it came from."""
    starts = [at for at, character in enumerate(text) if at == 0 or not unicodedata.combining(character)]
    yield
    stretches = pairwise([*starts, len(text)])
    lengths = (len(unicodedata.normalize("NFKC", text[start:end]).lower()) for start, end in stretches)
    made = yield from pausing(lengths, PAUSE_EVERY)
    owners = [
        stretch for stretch, length in zip(pairwise([*starts, len(text)]), made, strict=True) for _ in range(length)
    ]
    return owners if len(owners) == len(plain) else [(0, len(text))] * len(plain)


def learn_vocabulary(texts: Iterable[str], most_columns: int) -> Vocabulary:
    """The n-grams in at least two texts (in one, when the texts are few), the most frequent first up to a limit."""
    count = 0
    in_texts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for count, text in enumerate(texts, start=1):  # noqa: B007 - the last is their number
        for seen, found in zip(in_texts, grams(text), strict=True):
            seen.update(set(found))
    least = 2 if count >= _FEW_TEXTS else 1
    known = [(-n, part, gram) for part, seen in enumerate(in_texts) for gram, n in seen.items() if n >= least]
    kept = sorted(known)[:most_columns]
    characters = sorted(gram for _, part, gram in kept if part == 0)
    words = sorted(gram for _, part, gram in kept if part == 1)
    frequency = [in_texts[0][gram] for gram in characters] + [in_texts[1][gram] for gram in words]
    idf = np.log((1 + count) / (1 + np.array(frequency, dtype=np.float64))) + 1
    return _vocabulary(characters, words, idf.astype(np.float32))


_FEW_TEXTS = 200  # below this, what occurs once is still half of what there is to learn from


def vocabulary_json(vocabulary: Vocabulary) -> bytes:
    """The n-grams in the order of their columns; the idf travels with the weights."""
    return canonical_json({"characters": list(vocabulary.characters), "words": list(vocabulary.words)})


def read_vocabulary(content: bytes, idf: Floats, where: str) -> Vocabulary:
    """The vocabulary whose JSON and idf were saved. Raises Broken when they do not fit each other."""
    lists = json.loads(content)
    found = _vocabulary(lists["characters"], lists["words"], idf)
    if idf.shape != (len(found.characters) + len(found.words),):
        raise Broken(f"a vocabulary of {len(found.characters) + len(found.words)} has {idf.shape} weights", where=where)
    return found


def _vocabulary(characters: list[str], words: list[str], idf: Floats) -> Vocabulary:
    first_word = len(characters)
    return Vocabulary(
        {gram: column for column, gram in enumerate(characters)},
        {gram: column for column, gram in enumerate(words, start=first_word)},
        idf,
    )
