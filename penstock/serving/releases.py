"""The models being served: loads a new live release beside the old one, checks it, then swaps a pointer.

It knows releases and models. It does not decide what is live: the registry does, and the watcher tells it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from penstock.core.errors import Broken, PenstockError
from penstock.models.protocol import Model
from penstock.registry.releases import Release

RETRY_EVERY_S = 30.0  # a broken artifact may be restored from a backup meanwhile
PROBES = (
    "hello",
    "Where is my order? It should have arrived on Monday.",
    "退款什么时候到账？",
    "I was charged twice for the same thing and nobody answers the phone; please give me back one of the payments. "
    * 3,
)
_log = logging.getLogger(__name__)


class Loads(Protocol):
    """Loads a model by the digest of its artifact, checking every hash."""

    def load(self, artifact: str) -> Model: ...


@dataclass(frozen=True)
class Served:
    """A release with its loaded model."""

    release: Release
    model: Model


class ServedReleases:
    """The pointer per product that requests read, and the thread that moves it."""

    def __init__(self, loader: Loads, probe: Callable[[Model], None] | None = None) -> None:
        self._loader = loader
        self._probe = probe or check_model
        self._live: Mapping[str, Served] = {}  # replaced whole, never changed: readers need no lock
        self._previous: dict[str, Served] = {}
        self._problems: Mapping[str, str] = {}
        self._wanted: tuple[Release, ...] | None = None
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

    def want(self, releases: Sequence[Release]) -> None:
        """These are live now; the loader brings them in as soon as each is loaded and checked."""
        with self._changed:
            self._wanted = tuple(releases)
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
        seen: tuple[Release, ...] | None = None
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

    def _bring_in(self, wanted: tuple[Release, ...]) -> None:
        products = {release.product for release in wanted}
        self._live = {product: served for product, served in self._live.items() if product in products}
        problems: dict[str, str] = {}
        for release in wanted:
            present = self._live.get(release.product)
            if present is not None and present.release.id == release.id:
                continue
            try:
                served = self._load(release)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a new model, the old one goes on serving
                problems[release.product] = _describe(release, error)
                _log.error("%s", problems[release.product])
                continue
            if present is not None:
                self._previous[release.product] = present
            self._live = {**self._live, release.product: served}
        self._problems = problems

    def _load(self, release: Release) -> Served:
        for known in (self._live.get(release.product), self._previous.get(release.product)):
            if known is not None and known.release.artifact == release.artifact:
                return Served(release, known.model)  # a rollback, or the same artifact released again
        began = time.monotonic()
        model = self._loader.load(release.artifact)
        self._probe(model)
        _log.info("%s release %d loaded in %.1f s", release.product, release.number, time.monotonic() - began)
        return Served(release, model)


def check_model(model: Model) -> None:
    """Predict a few fixed texts alone and together. Raises Broken unless the rows are probabilities, bit-identical."""
    together = np.asarray(model.predict(PROBES))
    alone = np.concatenate([np.asarray(model.predict([text])) for text in PROBES])
    if together.shape != (len(PROBES), len(model.labels)):
        raise Broken(f"the model answers {together.shape} for {len(PROBES)} texts and {len(model.labels)} labels")
    if not np.isfinite(together).all() or (together < 0).any() or (together > 1).any():
        raise Broken("the model answers numbers that are no probabilities")
    if together.tobytes() != alone.tobytes():
        raise Broken("the model answers differently alone and in a batch", hint="such a model must not be released")


def _describe(release: Release, error: Exception) -> str:
    reason = error.message if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
    return f"release {release.number} of {release.product} ({release.id}) cannot be served: {reason}"
