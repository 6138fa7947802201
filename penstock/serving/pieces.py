"""What work is expected to cost, measured: seconds by kind of work and size of input, and how much of it makes a piece.

It knows no model: a kind is a name, a size is a number of characters.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

PIECE_S = 0.02  # what a thread takes at once: the next customer waits about so long
MOST_INPUTS = 16  # of a piece, however cheap: a large request uses all threads and lets small ones in between
_FIRST_GUESS_S = 0.005  # an input, until something like it was measured
_SMOOTHING = 0.2


class Costs:
    """Seconds an input of a kind and of about a size takes. Sizes count by powers of two."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()

    def expected(self, kind: str, inputs: Sequence[Any]) -> float:
        """Seconds for these inputs."""
        return sum((self._seconds.get((kind, _class(each)), _FIRST_GUESS_S) for each in inputs), 0.0)

    def observe(self, kind: str, inputs: Sequence[Any], seconds: float) -> None:
        """Learn from work that was done: what was expected of each input is changed in proportion."""
        with self._lock:
            ratio = max(seconds, 1e-6) / self.expected(kind, inputs)
            for place in {(kind, _class(each)) for each in inputs}:
                before = self._seconds.get(place, _FIRST_GUESS_S)
                weight = _SMOOTHING if place in self._seconds else 1.0
                self._seconds[place] = before * (1 + weight * (ratio - 1))

    def piece(self, kind: str, inputs: Sequence[Any], start: int) -> int:
        """Where the piece ends that begins at `start`: at least one input, as many as fit PIECE_S."""
        end, seconds = start, 0.0
        while end < len(inputs) and end - start < MOST_INPUTS:
            seconds += self.expected(kind, inputs[end : end + 1])
            if end > start and seconds > PIECE_S:
                break
            end += 1
        return end


def _class(value: Any) -> int:
    text = value if isinstance(value, str) else getattr(value, "text", None)
    return len(text).bit_length() if isinstance(text, str) else 0
