"""Where the words of a text begin and end, in any script: the parts that an answer is explained by."""

from __future__ import annotations

import unicodedata

from penstock.tasks.text.perturb import UNSPACED


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end; of unspaced scripts each character, of signs (!!!, emoji) each run."""
    found: list[tuple[int, int]] = []
    before = " "
    for at, character in enumerate(text):
        kind = _kind(text, at, character, before)
        if kind == before and kind != "character" and kind != " ":
            found[-1] = (found[-1][0], at + 1)
        elif kind != " ":
            found.append((at, at + 1))
        before = kind
    return found


def _kind(text: str, at: int, character: str, before: str) -> str:
    if character.isspace():
        return " "
    if UNSPACED.match(character):
        return "character"
    category = unicodedata.category(character)
    if category[0] in "LN" or character == "_":
        return "word"
    if category[0] == "M":  # an accent or a vowel sign belongs to what it stands on
        return before if before in ("word", "sign") else "word"
    inside = character in "'\u2019-" and before == "word" and text[at + 1 : at + 2].isalpha()
    return "word" if inside else "sign"
