"""Drawn charts, of reports and of months of opinions, kept beside the workspace's other caches: drawing takes a second
or two of computing each time, and what they show never changes. Bounded; deleting the folder costs only the drawing."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import penstock
from penstock.core.errors import PenstockError, Unavailable
from penstock.core.hashing import digest_of
from penstock.core.private import private_folder
from penstock.evaluation.html import Figure
from penstock.evaluation.run_charts import Trace
from penstock.runtime.executors import run_child
from penstock.runtime.house import House
from penstock.storage.keyring import Keyring, about

MODULE = "penstock.pipeline.runs.drawing"
MOST_KEPT = 200  # reports in one language, some 150 KB each
Drawn = TypeVar("Drawn")
PATIENCE_S = 4.0  # of a page: longer than drawing takes on a quiet machine
FILE_PATIENCE_S = 120.0  # of a file to keep, which has nothing to show without its charts
_one_at_a_time = threading.Lock()  # several would only share the same processors
_lock = threading.Lock()
_under_way: dict[Path, Future[Any]] = {}


def figures(
    house: House, digest: str, locale: str, chinese: Mapping[str, str], *, patience_s: float | None = None
) -> tuple[Figure, ...]:
    """The charts of the report of that digest. patience_s: how long to wait for them, by default as a page does."""
    arguments = {
        "blobs": str(house.workspace.blobs),
        "keyring": str(house.keys.file),
        "digest": digest,
        "locale": locale,
        "chinese": dict(chinese),
    }
    return drawn(house, MODULE, "figures", arguments, tuple[Figure, ...], patience_s)


def run_picture(
    house: House, traces: Sequence[Trace], headline: str, locale: str, chinese: Mapping[str, str]
) -> str | None:
    """The picture of several trainings, as `run_chart` draws it."""
    told = {"traces": msgspec.to_builtins(list(traces)), "headline": headline, "locale": locale}
    arguments = {**told, "currency": house.workspace.company.currency, "chinese": dict(chinese)}
    found: str | None = drawn(house, MODULE, "runs", arguments, dict[str, Any])["svg"]
    return found


class Drawing(Exception):
    """It is still being drawn: ask again in a moment."""


def drawn(
    house: House, module: str, job: str, arguments: dict[str, Any], kind: type[Drawn], patience_s: float | None = None
) -> Drawn:
    """What the job of that child module draws from these arguments, at most once for them and a version. Raises
    Drawing when that takes longer than a page should wait; it goes on, and the next call has it."""
    key = digest_of([module, job, arguments, penstock.__version__])[:40]
    place = house.workspace.state / "cache" / "drawings" / f"{key}.json"
    found = _read(place, kind, house.keys)
    if found is not None:
        return found
    with _lock:
        doing = _under_way.get(place)
        if doing is None:
            doing = _under_way[place] = Future()
            threading.Thread(target=_draw, args=(doing, place, module, job, arguments, house.keys), daemon=True).start()
    try:
        return msgspec.convert(doing.result(PATIENCE_S if patience_s is None else patience_s), kind)
    except TimeoutError:
        raise Drawing from None


def _draw(doing: Future[Any], place: Path, module: str, job: str, arguments: dict[str, Any], keys: Keyring) -> None:
    try:
        with _one_at_a_time:
            found = run_child(module, job, arguments)["drawn"]
        _write(place, found, keys)
        doing.set_result(found)
    except BaseException as error:  # noqa: BLE001 - told to whoever waits, here or at the next call
        doing.set_exception(error if isinstance(error, Exception) else Unavailable("drawing was stopped"))
    finally:
        with _lock:
            _under_way.pop(place, None)


def _read(place: Path, kind: type[Drawn], keys: Keyring) -> Drawn | None:
    try:
        content = keys.open(place.read_bytes(), about("drawing", place.name), str(place))
        found = msgspec.json.decode(content, type=kind)
        os.utime(place)
    except (OSError, msgspec.MsgspecError, PenstockError):  # of a key that was retired: it is drawn again
        return None
    return found


def _write(place: Path, drawn: object, keys: Keyring) -> None:
    """Sealed, since it may quote customers; whole or not at all; a folder that cannot be written to only means that it
    is drawn again."""
    try:
        private_folder(place.parent)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as stream:
            stream.write(keys.seal(keys.newest(), msgspec.json.encode(drawn), about("drawing", place.name)))
        Path(stream.name).replace(place)
        oldest_first = sorted(place.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in oldest_first[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return
