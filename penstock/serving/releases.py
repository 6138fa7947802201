"""The models being served: loads a new live release beside the old one, checks it, then swaps a pointer.

It knows releases and models. It does not decide what is live: the registry does, and the watcher tells it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penstock.core.errors import Broken, PenstockError
from penstock.models.protocol import Model
from penstock.registry.amendments import Amendment, Live
from penstock.registry.releases import Release
from penstock.task import AnyTask

RETRY_EVERY_S = 30.0  # a broken artifact may be restored from a backup meanwhile
_log = logging.getLogger(__name__)


class Loads(Protocol):
    """Loads a model by the digest of its artifact, and reads a blob by its own, checking every hash."""

    def load(self, artifact: str) -> Model: ...

    def read(self, digest: str) -> bytes: ...


@dataclass(frozen=True)
class Served:
    """A release with the model that answers: the loaded one (`base`), with what has been amended since."""

    release: Release
    model: Model
    base: Model
    amendment: Amendment | None = None

    @property
    def live(self) -> Live:
        return Live(self.release, self.amendment)


class ServedReleases:
    """The pointer per product that requests read, and the thread that moves it."""

    def __init__(self, loader: Loads, tasks: Mapping[str, AnyTask]) -> None:
        self._loader = loader
        self._tasks = tasks
        self._live: Mapping[str, Served] = {}  # replaced whole, never changed: readers need no lock
        self._previous: dict[str, Served] = {}
        self._problems: Mapping[str, str] = {}
        self._wanted: tuple[Live, ...] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._settled = threading.Event()  # the first list of live releases was worked through
        self._thread = threading.Thread(target=self._run, name="release-loader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def want(self, wanted: Sequence[Live]) -> None:
        """These are live now; the loader brings them in as soon as each is loaded and checked."""
        with self._changed:
            self._wanted = tuple(wanted)
            self._changed.notify()

    def get(self, product: str) -> Served | None:
        return self._live.get(product)

    @property
    def live(self) -> Mapping[str, Served]:
        return self._live

    @property
    def problems(self) -> Mapping[str, str]:
        """Product -> why its live release is not the one being served."""
        return self._problems

    @property
    def settled(self) -> bool:
        """Whether every release that was live at the start was loaded or found broken."""
        return self._settled.is_set()

    def wait_settled(self, timeout_s: float) -> bool:
        return self._settled.wait(timeout_s)

    def _run(self) -> None:
        seen: tuple[Live, ...] | None = None
        while True:
            with self._changed:
                if not self._closing and self._wanted is seen:
                    self._changed.wait(timeout=RETRY_EVERY_S if self._problems else None)
                if self._closing:
                    return
                seen = self._wanted
            if seen is not None:
                self._bring_in(seen)
                self._settled.set()

    def _bring_in(self, wanted: tuple[Live, ...]) -> None:
        products = {live.release.product for live in wanted}
        self._live = {product: served for product, served in self._live.items() if product in products}
        problems: dict[str, str] = {}
        for live in wanted:
            product = live.release.product
            present = self._live.get(product)
            if present is not None and _same(present.live, live):
                continue
            try:
                base = self._base(live.release)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a new model, the old one goes on serving
                problems[product] = _describe(live.release, error)
                _log.error("%s", problems[product])
                continue
            try:
                served = self._amended(live, base)
            except Exception as error:  # noqa: BLE001 - what was judged is served without what was amended wrongly
                problems[product] = _describe(live.release, error)
                _log.error("%s", problems[product])
                if present is not None and present.release.id == live.release.id:
                    continue
                served = Served(live.release, base, base)
            if present is not None and present.release.id != live.release.id:
                self._previous[product] = present
            self._live = {**self._live, product: served}
        self._problems = problems

    def _base(self, release: Release) -> Model:
        """The release's model, loaded and tried unless it is known."""
        known = self._known(release)
        if known is not None:
            return known
        began, task = time.monotonic(), self._tasks.get(release.product)
        base = self._loader.load(release.artifact)
        if task is not None:
            check_model(base, task.probes(base))
        _log.info("%s release %d loaded in %.1f s", release.product, release.number, time.monotonic() - began)
        return base

    def _amended(self, live: Live, base: Model) -> Served:
        task = self._tasks.get(live.release.product)
        if live.amendment is None or task is None or task.amend is None:
            return Served(live.release, base, base, live.amendment)
        model = task.amend(base, json.loads(self._loader.read(live.amendment.blob)))
        check_model(model, task.probes(model))
        _log.info("%s serves amendment %d", live.release.product, live.amendment.number)
        return Served(live.release, model, base, live.amendment)

    def _known(self, release: Release) -> Model | None:
        """The model of a rollback, an amendment, or the same artifact released again."""
        for known in (self._live.get(release.product), self._previous.get(release.product)):
            if known is not None and known.release.artifact == release.artifact:
                return known.base
        return None


def check_model(model: Model, probes: Sequence[Any]) -> None:
    """Predict a few inputs alone and together. Raises Broken unless the rows are finite scores, bit-identical."""
    if not probes:
        return
    together = np.asarray(model.predict(probes))
    alone = np.concatenate([np.asarray(model.predict([probe])) for probe in probes])
    if together.shape != (len(probes), len(model.labels)):
        raise Broken(f"the model answers {together.shape} for {len(probes)} inputs and {len(model.labels)} labels")
    if not np.isfinite(together).all():
        raise Broken("the model answers numbers that are not finite")
    if together.tobytes() != alone.tobytes():
        raise Broken("the model answers differently alone and in a batch", hint="such a model must not be released")


def _same(one: Live, other: Live) -> bool:
    numbers = [live.amendment.number if live.amendment else 0 for live in (one, other)]
    return one.release.id == other.release.id and numbers[0] == numbers[1]


def _describe(release: Release, error: Exception) -> str:
    reason = error.message if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
    return f"release {release.number} of {release.product} ({release.id}) cannot be served: {reason}"
