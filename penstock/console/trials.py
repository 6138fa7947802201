"""Trying a model in the office: one at a time, off the event loop, for a bounded time, with few waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penstock.core.errors import Unavailable

LONGEST_S = 20.0
MOST_WAITING = 4

Result = TypeVar("Result")


class Trials:
    """One thread does the work, so that trying a heavy model takes one processor at most from all else."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="trial")
        self._places = threading.BoundedSemaphore(MOST_WAITING)

    def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns. Raises what it raises, and Unavailable when it takes too long or too many wait."""
        if not self._places.acquire(blocking=False):
            raise Unavailable("several tries are waiting already", hint="try again in a moment")
        doing = self._pool.submit(work)
        doing.add_done_callback(lambda _: self._places.release())
        try:
            return doing.result(self._longest_s)
        except TimeoutError:
            doing.cancel()
            hint = "the first try also loads the model: try again in a moment"
            raise Unavailable(f"the answer took longer than {self._longest_s:g} s", hint=hint) from None
