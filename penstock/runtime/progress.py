"""Progress of long work: a bar on a terminal, sparse lines elsewhere, always on stderr; or nothing at all."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

LINE_EVERY_S = 10.0
SURE_S = 3.0  # before this nothing is said of the time left
SURE_SHARE = 0.03
PACE_OVER_S = 600.0  # of a bar: a stage may take minutes between two reports


class Progress(Protocol):
    """Told how far `stage` is: `done` of `total` (0: not known), with a short note."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None: ...


def no_progress(stage: str, done: float, total: float, note: str = "") -> None:
    """Shows nothing."""


Tell = Callable[[float], None]
"""Told which share (0 to 1) of a piece of work is done."""


def part(progress: Progress, stage: str, first: float, last: float, note: str = "") -> Tell:
    """Shows in percent of `stage` how far one part of it is, which lies between two shares (0 to 1) of the stage."""

    def tell(share: float) -> None:
        progress(stage, int(100 * (first + share * (last - first)) + 1e-9), 100, note)

    return tell


def within(tell: Tell, number: int, count: int) -> Tell:
    """Of `count` pieces of like length the one with this number, from 0."""
    return lambda share: tell((number + share) / count)


def time_left(spent_s: float, share: float | None) -> float | None:
    """Seconds until a stage ends at its pace so far; None where it is too early to say or its total is not known."""
    sure = share is not None and share >= SURE_SHARE and spent_s >= SURE_S
    return spent_s * (1 - share) / share if sure and share else None


@contextmanager
def console_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Progress for a person: bars when `stream` (stderr) is a terminal, else a line per stage and every 10 s, also
    while a stage tells nothing new."""
    out = stream or sys.stderr
    if not out.isatty():
        with _repeated(lines := Lines(lambda line: print(line, file=out, flush=True))):
            yield lines.tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(file=out), speed_estimate_period=PACE_OVER_S) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: float, total: float, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, note=note)
            bars.update(tasks[stage], completed=done, total=total or None, note=note)

        yield show


@dataclass
class _Shown:
    """What a stage last told, and when it began and was last shown."""

    done: float
    total: float
    note: str
    began: float
    shown_at: float


def line_progress(say: Callable[[str], object]) -> Progress:
    """Progress as plain lines, each of them given to `say`."""
    return Lines(say).tell


class Lines:
    """Progress as plain lines: when a stage begins, when it ends, and every 10 s between. `tell` is a Progress."""

    def __init__(self, say: Callable[[str], object], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._monotonic = monotonic
        self._open: dict[str, _Shown] = {}
        self._ended: set[str] = set()
        self._latest = ""
        self._lock = threading.Lock()

    def tell(self, stage: str, done: float, total: float, note: str = "") -> None:
        """How far a stage is; shown where a line is due."""
        with self._lock:
            now, before = self._monotonic(), self._open.get(stage)
            finished = total > 0 and done >= total
            began = now if before is None or done < before.done else before.began
            due = before is None or now - before.shown_at >= LINE_EVERY_S
            show = stage not in self._ended if finished else due
            shown_at = now if show or before is None else before.shown_at
            self._open[stage] = _Shown(done, total, note, began, shown_at)
            (self._ended.add if finished else self._ended.discard)(stage)
            self._latest = stage
            if show:
                self._print(stage, now)

    def repeat(self) -> None:
        """Show the latest stage again where it has been silent for 10 s and has not ended."""
        with self._lock:
            now, latest = self._monotonic(), self._open.get(self._latest)
            if latest is None or self._latest in self._ended or now - latest.shown_at < LINE_EVERY_S:
                return
            latest.shown_at = now
            self._print(self._latest, now)

    def _print(self, stage: str, now: float) -> None:
        at = self._open[stage]
        spent, share = now - at.began, at.done / at.total if at.total > 0 else None
        left = time_left(spent, share)
        if stage in self._ended:
            pace = ""
        elif left is not None:
            pace = f"about {_in_words(left)} left"
        else:
            pace = f"{_in_words(spent)} so far" if spent >= LINE_EVERY_S else ""
        words = " · ".join(filter(None, (at.note, pace)))
        shown = "" if share is None else f" {share:4.0%}"
        self._say(f"{stage}{shown}{f'  {words}' if words else ''}")


@contextmanager
def _repeated(lines: Lines) -> Iterator[None]:
    """Repeat what has been silent, from a thread, for as long as this is open."""
    closed = threading.Event()

    def watch() -> None:
        while not closed.wait(1.0):
            lines.repeat()

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} hours"
