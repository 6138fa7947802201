"""Changes that people make to a text without changing what it means: typing errors, case, word order, haste.

Seeded and pure. Scripts without spaces (Chinese, Japanese) are changed by the character. It knows no labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

LETTERS_PER_TYPO = 15  # about 1% to 2% of what people type on phones goes wrong; this is a hasty one of them
WORDS_PER_CHANGE = 8
KEPT_WHEN_CUT = 0.7

_SIGNS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
UNSPACED = re.compile(f"[{_SIGNS}]")
"""A character of a script that is written without spaces."""

_UNIT = re.compile(rf"(\s*)([{_SIGNS}]|[^\s{_SIGNS}]+)")
_BESIDE = {
    key: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    for at, key in enumerate(row)
}

Draw = np.random.Generator


def typos(text: str, draw: Draw) -> str:
    """A letter in fifteen, at least one, doubled, left out, swapped with the next or replaced by its neighbour on the
    keyboard; of unspaced scripts one left out or swapped."""
    letters = [at for at, character in enumerate(text) if character.isalnum()]
    if len(letters) < 2:
        return text
    changes = max(1, round(len(letters) / LETTERS_PER_TYPO))
    characters = list(text)
    for at in sorted(draw.choice(letters, size=changes, replace=False), reverse=True):
        _mistype(characters, int(at), draw)
    return "".join(characters)


def case(text: str, draw: Draw) -> str:
    """ALL CAPITALS, all small, or small and capital letters exchanged: one that differs from the text."""
    ways = [other for other in (text.upper(), text.lower(), text.swapcase()) if other != text]
    return str(ways[draw.integers(len(ways))]) if ways else text


def swaps(text: str, draw: Draw) -> str:
    """A word in eight, at least one, exchanged with the next; of unspaced scripts a character."""
    gaps, words = _units(text)
    if len(words) < 2:
        return text
    for at in draw.choice(len(words) - 1, size=max(1, len(words) // WORDS_PER_CHANGE), replace=False):
        words[at], words[at + 1] = words[at + 1], words[at]
    return _joined(gaps, words)


def truncation(text: str, draw: Draw) -> str:
    """The first seven tenths of the words, at least one; of unspaced scripts of the characters."""
    gaps, words = _units(text)
    return _joined(gaps, words[: max(1, round(len(words) * KEPT_WHEN_CUT))])


def deletion(text: str, draw: Draw) -> str:
    """Without a word in eight, at least one; of unspaced scripts a character."""
    gaps, words = _units(text)
    if len(words) < 3:
        return text
    gone = set(draw.choice(len(words), size=max(1, len(words) // WORDS_PER_CHANGE), replace=False).tolist())
    left = [at for at in range(len(words)) if at not in gone]
    return _joined([gaps[at] for at in left], [words[at] for at in left]).strip()


KINDS: Mapping[str, Callable[[str, Draw], str]] = {
    "typos": typos,
    "case": case,
    "word swaps": swaps,
    "truncation": truncation,
}
"""What robustness is measured by."""

AUGMENTING: tuple[Callable[[str, Draw], str], ...] = (typos, case, swaps, deletion)
"""What copies of training rows are made by. None is cut short: the end may be what the label stands for."""


def _mistype(characters: list[str], at: int, draw: Draw) -> None:
    letter = characters[at]
    beside = _BESIDE.get(letter.lower(), "")
    way = int(draw.integers(4))
    if way == 0 and at + 1 < len(characters):
        characters[at], characters[at + 1] = characters[at + 1], letter
    elif way == 1 and beside:
        near = beside[int(draw.integers(len(beside)))]
        characters[at] = near.upper() if letter.isupper() else near
    elif way == 2 and beside:
        characters[at] = letter * 2
    elif len(characters) > 1:
        del characters[at]


def _units(text: str) -> tuple[list[str], list[str]]:
    """The text's words, each character of an unspaced script being one, and the blanks before each."""
    found = _UNIT.findall(text)
    return [gap for gap, _ in found], [word for _, word in found]


def _joined(gaps: list[str], words: list[str]) -> str:
    return "".join(gap + word for gap, word in zip(gaps, words, strict=False))
