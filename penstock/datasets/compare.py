"""Texts compared for equality after normalisation: repeats, contradictions, and rows of one split inside another.

Pure functions over rows; nothing is counted here for more than its own step.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from penstock.datasets.rows import Row


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, casefolded, white space as single blanks, none at the ends."""
    if text.isascii():  # the same, faster
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")


def bare(text: str) -> str:
    """The form in which train is compared with test: `normalise`, without punctuation, blanks and invisible characters.

    "Refund, please !!" and "> refund please" are one text to a model, so a model that has learned one by heart knows
    the other. A blank between digits stays ("1 2" is not "12"), as do currency signs and emoji. A text of punctuation
    alone stays as it is.
    """
    form = normalise(text)
    spaced = " ".join("".join(map(_kept, form)).split())
    return _BETWEEN_DIGITS.sub("\0", spaced).replace(" ", "").replace("\0", " ") or form


@cache
def _kept(char: str) -> str:
    """The character where it counts; a blank for punctuation and mathematical signs; nothing for what is not seen."""
    category = unicodedata.category(char)
    if category[0] in "ZP" or category in ("Sm", "Sk"):
        return " "
    return "" if category[0] == "C" or char in _SELECTORS else char


_SELECTORS = frozenset(map(chr, (0x034F, 0x115F, 0x1160, 0x180B, 0x180C, 0x180D, 0x3164, *range(0xFE00, 0xFE10))))
"""Letters and marks that Unicode calls invisible (Default_Ignorable_Code_Point) beside those of category C."""


@dataclass(frozen=True)
class Kept:
    """What a step kept, and the rows it dropped, each with the row or label that was the reason."""

    rows: list[Row]
    dropped: list[tuple[Row, str]]


def without_conflicts(rows: Sequence[Row]) -> tuple[Kept, int]:
    """Of equal texts with different labels, only the majority's label is kept; a tie drops all of them.

    A customer votes once for a text and label, however often it sends them. Also answers how many texts conflicted.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[normalise(row.text)].append(row)
    verdicts: dict[str, str | None] = {}
    for text, group in groups.items():
        if len({row.label for row in group}) > 1:
            verdicts[text] = _majority(group)
    kept, dropped = [], []
    for row in rows:
        text = normalise(row.text) if verdicts else ""
        if text in verdicts and verdicts[text] != row.label:
            others = {other.label for other in groups[text]} - {row.label}
            dropped.append((row, ", ".join(sorted(others))))
        else:
            kept.append(row)
    return Kept(kept, dropped), len(verdicts)


def without_repeats(rows: Iterable[Row]) -> Kept:
    """Each normalised text once: its first row."""
    first: dict[str, Row] = {}
    dropped = []
    for row in rows:
        earlier = first.setdefault(normalise(row.text), row)
        if earlier is not row:
            dropped.append((row, earlier.origin))
    return Kept(list(first.values()), dropped)


def outside(rows: Sequence[Row], others: Collection[Row]) -> Kept:
    """The rows whose text is not among the others', as `bare` compares them."""
    known = {bare(other.text): other for other in others}
    kept, dropped = [], []
    for row in rows:
        other = known.get(bare(row.text))
        if other is None:
            kept.append(row)
        else:
            dropped.append((row, f"{other.origin} {other.label}" if other.label != row.label else other.origin))
    return Kept(kept, dropped)


def _majority(group: Sequence[Row]) -> str | None:
    votes = Counter(label for label, _ in {(row.label, row.customer or row.origin) for row in group})
    (label, most), (_, second) = votes.most_common(2)
    return label if most > second else None
