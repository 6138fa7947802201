"""Work that pauses wherever others may have their turn: a generator that yields nothing and returns what it made."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TypeVar, cast

T = TypeVar("T")
Stepwise = Generator[None, None, T]


def drained(steps: Stepwise[T]) -> T:
    """What the steps return, taken without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            return cast(T, ended.value)


def pausing(made: Iterable[T], every: int) -> Stepwise[list[T]]:
    """All that is made, as a list; a pause after each `every`."""
    found: list[T] = []
    for one in made:
        found.append(one)
        if len(found) % every == 0:
            yield
    return found
