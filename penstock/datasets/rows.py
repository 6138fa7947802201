"""The records that flow through this room: a labelled row, where it came from, and a split as trainers see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text. origin: "file.csv:12" (the line or row it was read from) or "feedback:fb_...".

    customer: whose data it is, when it came back from use; None for the company's own rows.
    """

    text: str
    label: str
    origin: str
    customer: str | None = None


@dataclass(frozen=True)
class Split:
    """Rows as trainers and evaluation see them: texts[i] is labelled labels[i]."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))


def split_of(rows: Sequence[Row]) -> Split:
    """Rows without their origins."""
    return Split(tuple(row.text for row in rows), tuple(row.label for row in rows))
