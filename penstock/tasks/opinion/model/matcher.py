"""Which entities a text names, by their aliases: one pass of an Aho-Corasick automaton, the longest alias wins.

Aho and Corasick 1975, by pyahocorasick. It knows texts and names, no sentiment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import BadInput

MAX_ALIASES = 100_000
MAX_ALIAS_CHARS = 200

_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "‐": "-", "‑": "-", "–": "-"})
# Scripts that are written without spaces: in them any place may be the edge of a word.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
    r"\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Match:
    """An entity named in a text. entity: its place in the list. aliases: those found, as its owner wrote them."""

    entity: int
    aliases: tuple[str, ...]


class Matcher:
    """Finds entities. Immutable once made; many threads may ask at once."""

    def __init__(self, entities: Mapping[str, Sequence[str]]) -> None:
        """entities: name -> aliases; a name is an alias of itself. Raises BadInput where two share an alias."""
        import ahocorasick  # type: ignore[import-not-found, unused-ignore]

        self.names = tuple(entities)
        self._owners: dict[str, tuple[int, str]] = {}
        for place, (name, aliases) in enumerate(entities.items()):
            for alias in (name, *aliases):
                self._add(place, alias)
        if len(self._owners) > MAX_ALIASES:
            raise BadInput(f"{len(self._owners):,} aliases are too many", hint=f"at most {MAX_ALIASES:,}")
        self._automaton: Any = ahocorasick.Automaton()
        for folded, (place, alias) in self._owners.items():
            self._automaton.add_word(folded, (place, alias, len(folded)))
        if self._owners:
            self._automaton.make_automaton()

    def _add(self, place: int, alias: str) -> None:
        folded = fold(alias)
        if not folded or len(folded) > MAX_ALIAS_CHARS:
            hint = f"an alias has 1 to {MAX_ALIAS_CHARS} characters"
            raise BadInput(f"the alias {alias[:40]!r} of {self.names[place]!r} cannot be used", hint=hint)
        other = self._owners.setdefault(folded, (place, alias))[0]
        if other != place:
            raise BadInput(
                f"{alias!r} is an alias of both {self.names[other]!r} and {self.names[place]!r}",
                hint="give it to one of them: a document would count twice",
            )

    def find(self, text: str) -> tuple[Match, ...]:
        """The entities of a text in the order of the list, each with its aliases in the order of the text.

        Case, width and typographic quotes do not matter. Where aliases overlap the longest counts, then the first.
        A Latin alias stands alone (`Ford` is not in `Fordham`); a Chinese one may stand anywhere.
        """
        if not self._owners:
            return ()
        folded = fold(text)
        found = [
            (end - length + 1, end + 1, place, alias)
            for end, (place, alias, length) in self._automaton.iter(folded)
            if _stands_alone(folded, end - length + 1, end + 1)
        ]
        taken: list[tuple[int, int, int, str]] = []
        covered = bytearray(len(folded))
        for start, end, place, alias in sorted(found, key=lambda one: (one[0] - one[1], one[0])):
            if covered.find(1, start, end) < 0:
                covered[start:end] = b"\x01" * (end - start)
                taken.append((start, end, place, alias))
        by_entity: dict[int, dict[str, None]] = {}
        for _start, _end, place, alias in sorted(taken):
            by_entity.setdefault(place, {})[alias] = None
        return tuple(Match(place, tuple(by_entity[place])) for place in sorted(by_entity))


def fold(text: str) -> str:
    """The form in which texts and aliases meet: compatibility forms, case and runs of spaces made one."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return " ".join(plain.split())


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start > 0 and _joined(text[start - 1], text[start])
    after = end < len(text) and _joined(text[end - 1], text[end])
    return not before and not after


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word of a script with spaces."""
    return _in_word(left) and _in_word(right)


def _in_word(character: str) -> bool:
    return (character.isalnum() or unicodedata.category(character) == "Mn") and not _UNSPACED.match(character)
