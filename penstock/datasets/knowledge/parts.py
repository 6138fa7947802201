"""Rows of a dataset version as trainers and evaluation see them: entries, and questions with the entry that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.datasets.knowledge.entries import Entry, entry_of

MOST_ANSWER_CHARS = 1_000_000  # the product's own limit was asked when its file was read


@dataclass(frozen=True)
class Asked:
    """A question with the id of the entry that is right; None: out of scope, no entry answers it."""

    question: str
    entry: str | None
    locale: str = ""


@dataclass(frozen=True)
class Knowledge:
    """Train holds entries, and questions that none of them answers; test holds questions alone."""

    entries: tuple[Entry, ...]
    asked: tuple[Asked, ...]

    def __len__(self) -> int:
        return len(self.entries) + len(self.asked)


def knowledge_of(rows: Sequence[Mapping[str, Any]]) -> Knowledge:
    """The rows of one part."""
    entries = [entry_of(row, row["origin"], max_answer_chars=MOST_ANSWER_CHARS) for row in rows if "answer" in row]
    asked = [Asked(row["question"], row["entry"], row.get("locale", "")) for row in rows if "answer" not in row]
    return Knowledge(tuple(sorted(entries, key=lambda entry: entry.id)), tuple(asked))
