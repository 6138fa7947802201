"""The parts of an input that decided an answer: how many are told, and which weigh most."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.models.protocol import Part
from penstock.models.steps import Stepwise

MOST_SPANS = 24  # each costs one more answer of the model

Steps = Stepwise[tuple[Part, ...]]


def strongest(parts: Sequence[Part], most: int = MOST_SPANS) -> list[Part]:
    """The parts that weigh most, for or against, the heaviest first; those that weigh nothing are left out."""
    weighty = [part for part in parts if abs(part.weight) >= 5e-5]  # shown with four digits
    return sorted(weighty, key=lambda part: (-abs(part.weight), part.start))[:most]
