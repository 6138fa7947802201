"""Progress of long work: a bar on a terminal, sparse lines elsewhere, always on stderr; or nothing at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

LINE_EVERY_S = 10.0


class Progress(Protocol):
    """Told how far `stage` is: `done` of `total` (0: not known), with a short note."""

    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None: ...


def no_progress(stage: str, done: float, total: float, note: str = "") -> None:
    """Shows nothing."""


@contextmanager
def console_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Progress for a person: bars when `stream` (stderr) is a terminal, else a line per stage and every 10 s."""
    out = stream or sys.stderr
    if not out.isatty():
        yield line_progress(out)
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
    with Bars(*columns, console=Console(file=out)) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: float, total: float, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, note=note)
            bars.update(tasks[stage], completed=done, total=total or None, note=note)

        yield show


def line_progress(stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as plain lines: when a stage begins, when it ends, and every 10 s between."""
    shown_at: dict[str, float] = {}
    ended: set[str] = set()

    def show(stage: str, done: float, total: float, note: str = "") -> None:
        finished = total > 0 and done >= total
        due = stage not in shown_at or monotonic() - shown_at[stage] >= LINE_EVERY_S
        if (finished and stage not in ended) or (due and not finished):
            shown_at[stage] = monotonic()
            share = f" {done / total:4.0%}" if total > 0 else ""
            print(f"{stage}{share}{f'  {note}' if note else ''}", file=stream, flush=True)
        (ended.add if finished else ended.discard)(stage)

    return show
