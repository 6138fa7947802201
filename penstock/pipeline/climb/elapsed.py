"""Counts the seconds that a child process spends, in its checkpoint's folder, so that one that goes on after a kill
tells the whole. It stops nothing, and knows no budget.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from msgspec import structs

from penstock.pipeline.climb.measuring import cpu_seconds
from penstock.pipeline.records import Measurement
from penstock.runtime.progress import Progress

FILE = "elapsed.json"
EVERY_S = 5.0  # what a kill may take off the count


@dataclass(frozen=True)
class Elapsed:
    """Wall seconds, and core-seconds."""

    seconds: float = 0.0
    cpu_s: float = 0.0


def counted(folder: Path | None, progress: Progress) -> tuple[Elapsed, Progress]:
    """What interrupted processes have spent on this folder's work, and a progress that keeps the count of this one too.
    folder: None where nothing is resumed."""
    if folder is None:
        return Elapsed(), progress
    before, began = _read(folder), time.perf_counter()
    kept = began

    def say(stage: str, done: float, total: float, note: str = "") -> None:
        nonlocal kept
        now = time.perf_counter()
        if now - kept >= EVERY_S:
            kept = now
            _write(folder, Elapsed(before.seconds + now - began, before.cpu_s + cpu_seconds()))
        progress(stage, done, total, note)

    return before, say


def added(answer: Measurement, before: Elapsed) -> Measurement:
    """A worker's answer with what was spent before it; `before_s` tells how much of the wall time that is."""
    seconds, cpu_s = answer.seconds + before.seconds, answer.cpu_s + before.cpu_s
    return structs.replace(answer, seconds=seconds, cpu_s=cpu_s, before_s=before.seconds)


def forget(folder: Path) -> None:
    """Begin the count anew: what was spent so far is recorded elsewhere."""
    (folder / FILE).unlink(missing_ok=True)


def _read(folder: Path) -> Elapsed:
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Elapsed(float(told["seconds"]), float(told["cpu_s"]))
    except (OSError, ValueError, KeyError, TypeError):  # never written, or torn by the kill
        return Elapsed()


def _write(folder: Path, elapsed: Elapsed) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.{os.getpid()}"
    part.write_text(json.dumps(asdict(elapsed)), encoding="utf-8")
    part.replace(folder / FILE)
