"""What pretraining is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput

HEAD_WIDTH = 32  # numbers of an attention head
POSITIONS = 128  # tokens of a text at most: on Chinese reviews 64 cost up to 2 points, 128 at most 0.5


@dataclass(frozen=True)
class Plan:
    """How large an encoder, and how long to train it.

    vocab: tokens at most. layers, hidden: of the encoder. minutes: of wall time from start to end, which decide the
    number of steps. masked_steps, contrast_steps: exactly so many instead. batch: texts of one step.
    """

    vocab: int = 16_000
    layers: int = 2
    hidden: int = 256
    minutes: float = 6.0
    seed: int = 0
    batch: int = 128
    masked_steps: int | None = None
    contrast_steps: int | None = None

    def check(self) -> None:
        """Raises BadInput for numbers that no encoder can have."""
        wrong = [
            (500 <= self.vocab <= 200_000, "--vocab", "the vocabulary must have 500 to 200,000 tokens"),
            (1 <= self.layers <= 24, "--layers", "there must be 1 to 24 layers"),
            (
                HEAD_WIDTH <= self.hidden <= 2_048 and self.hidden % HEAD_WIDTH == 0,
                "--hidden",
                f"the width must be a multiple of {HEAD_WIDTH}, {HEAD_WIDTH} to 2,048",
            ),
            (0.1 <= self.minutes <= 100_000, "--minutes", "the time must be at least 0.1 minutes"),
            (self.seed >= 0, "--seed", "the seed must not be negative"),
            (self.batch >= 2, "batch", "contrast needs at least two texts a step"),
        ]
        for holds, where, message in wrong:
            if not holds:
                raise BadInput(message, where=where)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pretrained:
    """folder: what a `path:` backbone names. card: as PRETRAIN.json keeps it."""

    folder: Path
    card: Mapping[str, Any]
