"""Where the runs of this process are: the last stage that each told of, for whoever shows it. Memory only, bounded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from penstock.runtime.progress import time_left
from penstock.runtime.workflows import run_id

MOST_RUNS = 100


@dataclass(frozen=True)
class Stage:
    """How far a run is in its present stage. share: 0 to 1, None where the total is not known. left_s: seconds until
    the stage ends at the pace so far, None where it is too early to say."""

    name: str
    share: float | None
    left_s: float | None
    note: str


@dataclass(frozen=True)
class _Told:
    name: str
    done: float
    total: float
    note: str
    began: float


class Board:
    """`tell` is a Progress. May be told and asked from any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, run: Callable[[], str | None] = run_id) -> None:
        self._monotonic = monotonic
        self._run = run
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, stage: str, done: float, total: float, note: str = "") -> None:
        """Keep how far the run is that this is called in. Outside a run nothing is kept."""
        run = self._run()
        if run is None:
            return
        with self._lock:
            before = self._told.pop(run, None)
            fresh = before is None or before.name != stage or done < before.done
            began = self._monotonic() if fresh or before is None else before.began
            self._told[run] = _Told(stage, done, total, note, began)
            while len(self._told) > MOST_RUNS:
                self._told.popitem(last=False)

    def stage(self, run: str) -> Stage | None:
        """The present stage of a run, None where it has told nothing."""
        with self._lock:
            told = self._told.get(run)
            now = self._monotonic()
        if told is None:
            return None
        share = min(1.0, max(0.0, told.done / told.total)) if told.total > 0 else None
        return Stage(told.name, share, time_left(now - told.began, share), told.note)
