"""Rows of a dataset version as trainers and evaluation see them: entries, and questions with the entry that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.tasks.knowledge.data.entries import Entry, entry_of


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


def amended_entries(content: Mapping[str, Any]) -> list[Entry]:
    """The entries of an amendment. Raises BadInput naming entries[i]: field."""
    return [entry_of(values, f"entries[{place}]") for place, values in enumerate(content.get("entries", ()))]


def entries_now(released: Sequence[Entry], content: Mapping[str, Any]) -> dict[str, Entry]:
    """By id, what is served of a release's own entries once it is amended by the content."""
    fresh = {entry.id: entry for entry in amended_entries(content)}
    gone = {str(one) for one in content.get("withdrawn", ())} | set(fresh)
    return {entry.id: entry for entry in released if entry.id not in gone} | fresh


def knowledge_of(rows: Sequence[Mapping[str, Any]]) -> Knowledge:
    """The rows of one part."""
    entries = [entry_of(row, row["origin"]) for row in rows if "answer" in row]
    asked = [Asked(row["question"], row["entry"], row.get("locale", "")) for row in rows if "answer" not in row]
    return Knowledge(tuple(sorted(entries, key=lambda entry: entry.id)), tuple(asked))
