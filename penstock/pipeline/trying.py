"""Trying a model by hand: any candidate or release of any task answers a few inputs. Nothing is recorded or billed.

It uses the wire format and the checks that the gateway uses, so an answer here is the answer that a customer gets.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock import installed
from penstock.core.errors import BadInput, NotFound
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.pipeline.runs.reports import named_candidate
from penstock.registry import amendments
from penstock.registry.amendments import Amendment
from penstock.registry.candidates import Candidate, find_candidate, get_candidate
from penstock.registry.releases import Release, find_release, get_release, list_releases
from penstock.runtime.house import House
from penstock.serving.explained import check_explained, render_explained
from penstock.storage.engine import Transaction
from penstock.task import AnyTask
from penstock.workspace.records import Product

MOST_TRIED = 100  # inputs at once: this is for looking, not for scoring a file
_PLACE = re.compile(r"inputs\[(\d+)\](.*)")
_KEPT = 2  # models that a Bench keeps loaded


@dataclass(frozen=True)
class Chosen:
    """What is to be tried. release: the newest release of the candidate, if it has one. amendment: facts that the live
    release has learned without training; None for anything that is not live."""

    product: Product
    name: str
    candidate: Candidate
    release: Release | None
    amendment: Amendment | None

    @property
    def task(self) -> AnyTask:
        return installed.of(self.product)

    @property
    def live(self) -> bool:
        return self.release is not None and self.release.state == "live"


@dataclass(frozen=True)
class Tried:
    """Answers, in the order of the inputs, each in the product's wire format. latency_ms: the time of all answers
    together without loading the model, which took load_ms (0 when it was loaded before)."""

    chosen: Chosen
    outputs: tuple[Any, ...]
    latency_ms: float
    load_ms: float


Loading = Callable[[Chosen], Model]


def choose(house: House, reference: str) -> Chosen:
    """What a reference names: a candidate (its id, or PRODUCT/NUMBER), a release (its id), or a PRODUCT: its live
    release, else its newest candidate. Raises NotFound, BadInput."""
    with house.store.read() as tx:
        candidate, release = _named(tx, house, reference)
        product = house.workspace.products.get(candidate.product)
        if product is None:
            raise NotFound(
                f"{candidate.product} is no longer a product of this workspace",
                where=reference,
                hint="put it back into penstock.toml to try its models",
            )
        released = release is not None and release.state == "live"
        amended = amendments.current(tx, candidate.product) if released else None
    return Chosen(product, candidate.product, candidate, release, amended)


def named(house: House, product: str, *, candidate: str | None = None, release: str | None = None) -> str:
    """The reference that `choose` takes, of a product (or PRODUCT/NUMBER) and a candidate or a release of it, each as
    its number, PRODUCT/NUMBER or its id. Raises NotFound, BadInput."""
    if candidate is not None and release is not None:
        raise BadInput("a candidate or a release answers, not both", where="--release", hint="leave out one")
    with house.store.read() as tx:
        if release is not None:
            return find_release(tx, product, release).id
        return product if candidate is None else find_candidate(tx, product, candidate).id


def load(house: House, chosen: Chosen) -> Model:
    """The chosen model as a gateway would serve it. Raises NotFound or Broken when its artifact is not whole."""
    model = Loader(house.blobs).load(chosen.candidate.served)
    amend = chosen.task.amend
    if chosen.amendment is None or amend is None:
        return model
    return amend(model, amendments.content_of(house.blobs, chosen.amendment))


def answer(chosen: Chosen, inputs: Sequence[Any], loading: Loading, *, explain: bool = False, first: int = 0) -> Tried:
    """Answers to the inputs, which are what a request's "inputs" would hold. Raises BadInput naming inputs[3] for the
    first that cannot be read, and for a task whose answers cannot be explained. first: the number of the first input,
    where many are answered in parts."""
    task = chosen.task
    if not inputs:
        raise BadInput("there is no input", where="inputs", hint="give at least one")
    if len(inputs) > MOST_TRIED:
        hint = "serve the product and send them to its gateway"
        raise BadInput(f"{len(inputs)} inputs are more than the {MOST_TRIED} tried at once", where="inputs", hint=hint)
    if explain:
        check_explained(task, len(inputs))
    began = time.perf_counter()
    model = loading(chosen)
    loaded = time.perf_counter()
    parsed = _parsed(task, inputs, model, first)
    render = render_explained(task) if explain else task.render
    rows = np.asarray(model.predict(parsed))
    outputs = tuple(render(model, *pair) for pair in zip(parsed, rows, strict=True))
    ended = time.perf_counter()
    return Tried(chosen, outputs, 1_000 * (ended - loaded), 1_000 * (loaded - began))


def try_inputs(house: House, reference: str, inputs: Sequence[Any], *, explain: bool = False) -> Tried:
    """`choose`, `load` and `answer` in one, for a caller that tries once."""
    return answer(choose(house, reference), inputs, lambda chosen: load(house, chosen), explain=explain)


class Bench:
    """Keeps the models that were tried last loaded, so that the next try does not wait. May be used from threads."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._models: OrderedDict[tuple[str, int], Model] = OrderedDict()

    def load(self, chosen: Chosen) -> Model:
        """The chosen model, loaded now or before."""
        place = (chosen.candidate.served, chosen.amendment.number if chosen.amendment else 0)
        with self._lock:
            found = self._models.pop(place, None)
        if found is None:
            found = load(self._house, chosen)
        with self._lock:
            self._models[place] = found
            while len(self._models) > _KEPT:
                self._models.popitem(last=False)
        return found


def _parsed(task: AnyTask, inputs: Sequence[Any], model: Model, first: int) -> list[Any]:
    try:
        return task.parse(list(inputs), model)
    except BadInput as error:
        at = _PLACE.match(error.where or "")
        if at is None or first == 0:
            raise
        place = f"inputs[{int(at[1]) + first}]{at[2]}"
        raise BadInput(error.message, where=place, hint=error.hint) from None


def _named(tx: Transaction, house: House, reference: str) -> tuple[Candidate, Release | None]:
    if reference.startswith("rel_"):
        release = get_release(tx, reference)
        return get_candidate(tx, release.candidate), release
    if reference in house.workspace.products:
        live = next((one for one in list_releases(tx, reference) if one.state == "live"), None)
        if live is not None:
            return get_candidate(tx, live.candidate), live
    candidate = named_candidate(tx, house, reference)
    of_it = [one for one in list_releases(tx, candidate.product) if one.candidate == candidate.id]
    return candidate, of_it[-1] if of_it else None
