"""Drawn charts, of reports and of months of opinions, kept beside the workspace's other caches: drawing takes a second
or two of computing each time, and what they show never changes. Bounded; deleting the folder costs only the drawing."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

import penstock
from penstock.core.hashing import digest_of
from penstock.evaluation.html import Figure, report_figures
from penstock.evaluation.report import Report
from penstock.runtime.house import House

MOST_KEPT = 200  # reports in one language, some 150 KB each
Drawn = TypeVar("Drawn")
_drawing = threading.Lock()  # one at a time: several would only share the same processors


def figures(house: House, digest: str, report: Report, locale: str, chinese: Mapping[str, str]) -> tuple[Figure, ...]:
    """What `report_figures` draws of the report of that digest; drawn at most once per language and version."""
    key = digest_of([digest, locale, dict(chinese)])
    return kept(house, key, tuple[Figure, ...], lambda: report_figures(report, locale, chinese))


def kept(house: House, key: str, kind: type[Drawn], draw: Callable[[], Drawn]) -> Drawn:
    """What `draw` returns, a record or JSON values of that kind, drawn at most once for a key and a version."""
    place = house.workspace.state / "cache" / "drawings" / f"{digest_of([key, penstock.__version__])[:40]}.json"
    found = _read(place, kind)
    if found is not None:
        return found
    with _drawing:
        found = _read(place, kind)
        if found is None:
            found = draw()
            _write(place, found)
    return found


def _read(place: Path, kind: type[Drawn]) -> Drawn | None:
    try:
        found = msgspec.json.decode(place.read_bytes(), type=kind)
        os.utime(place)
    except (OSError, msgspec.MsgspecError):
        return None
    return found


def _write(place: Path, drawn: object) -> None:
    """Whole or not at all; a folder that cannot be written to only means that it is drawn again."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as stream:
            stream.write(msgspec.json.encode(drawn))
        Path(stream.name).replace(place)
        oldest_first = sorted(place.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in oldest_first[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return
