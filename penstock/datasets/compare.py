"""Texts compared for equality after normalisation: repeats, contradictions, and rows of one split inside another.

Pure functions over rows; nothing is counted here for more than its own step.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from penstock.datasets.rows import Row


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, casefolded, white space as single blanks, none at the ends."""
    if text.isascii():  # the same, faster
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


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
    """The rows whose text is not among the others'."""
    known = {normalise(other.text): other for other in others}
    kept, dropped = [], []
    for row in rows:
        other = known.get(normalise(row.text))
        if other is None:
            kept.append(row)
        else:
            dropped.append((row, f"{other.origin} {other.label}" if other.label != row.label else other.origin))
    return Kept(kept, dropped)


def _majority(group: Sequence[Row]) -> str | None:
    votes = Counter(label for label, _ in {(row.label, row.customer or row.origin) for row in group})
    (label, most), (_, second) = votes.most_common(2)
    return label if most > second else None
