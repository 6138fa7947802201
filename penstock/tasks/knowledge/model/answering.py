"""Answers from a knowledge base: signals of fit, weighed and calibrated; "don't know" where none is sure enough.

One record for all kinds, which differ in the signals they weigh. It does not know how the weights were found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from penstock.core.clock import SystemClock
from penstock.core.errors import Broken, PenstockError
from penstock.core.hashing import canonical_json
from penstock.models.artifact import tensors_from_bytes, tensors_to_bytes
from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Parts
from penstock.tasks.knowledge.data.entries import Entry, entry_of
from penstock.tasks.knowledge.data.parts import amended_entries
from penstock.tasks.knowledge.model.index import BY_MEANING, SIGNALS, Index, Vectors, make_index

BM25, FROZEN, HYBRID, TUNED = KIND_NAMES = (
    "bm25.v1",
    "frozen-answer.v1",
    "hybrid-answer.v1",
    "tuned-answer.v1",
)
ENTRIES, VECTORS = "entries.json", "vectors.safetensors"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. locale: only entries of it, or of none, may answer; "" for any."""

    text: str
    locale: str = ""


@dataclass(frozen=True, eq=False)
class Fusion:
    """How signals become scores: softmax over the entries' weighed signals and the constant `none`, which stands for
    "no entry answers this". weights: (5,), in the order of SIGNALS. threshold: the least score that is answered."""

    weights: Floats
    none: float
    threshold: float

    def scores(self, signals: Floats) -> Floats:
        """Of (entries, 5) signals the scores (entries,) in [0, 1]; what they lack of 1 is the chance of no answer."""
        fits = np.multiply(signals, self.weights).sum(axis=1).astype(np.float64)
        top = max(float(fits.max(initial=self.none)), self.none)
        raised = np.exp(fits - top)
        found: Floats = (raised / (raised.sum() + np.exp(self.none - top))).astype(np.float32)
        return found


def today_utc() -> date:
    """The day in UTC by the machine's clock."""
    return SystemClock().now().date()


@dataclass(frozen=True, eq=False)
class Answering:
    """labels: the entries' ids, in the index's order. today: the day by which entries expire."""

    kind: str
    index: Index
    fusion: Fusion
    backbone: Backbone | None = None
    today: Callable[[], date] = today_utc

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(entry.id for entry in self.index.entries)

    @cached_property
    def locales(self) -> tuple[str, ...]:
        """Those that entries name, sorted; "" first where some name none."""
        return tuple(sorted({entry.locale for entry in self.index.entries}))

    def predict(self, inputs: Sequence[Question | str]) -> Floats:
        """Scores (n, entries) in [0, 1]: how likely each entry is the answer. Each question alone decides its row."""
        found = np.zeros((len(inputs), len(self.index.entries)), dtype=np.float32)
        for row, asked in enumerate(inputs):
            question = asked if isinstance(asked, Question) else Question(asked)
            vector = None if self.backbone is None else self.backbone.embed([question.text])[0]
            signals = self.index.signals(question.text, vector)
            served = self._served(question.locale)
            found[row, served] = self.fusion.scores(signals[served])
        return found

    def _served(self, locale: str) -> Any:
        """The entries that may answer in a locale: all, or a mask (entries,). "zh" is answered by "zh-CN" too."""
        if not locale:
            return slice(None)
        return np.array([speaks(one, locale) for one in self.locales], dtype=bool)[self._places]

    @cached_property
    def _places(self) -> Any:
        """Of each entry (entries,) the place of its locale in `locales`."""
        place = {locale: number for number, locale in enumerate(self.locales)}
        return np.array([place[entry.locale] for entry in self.index.entries], dtype=np.int64)

    def entry(self, label: str) -> Entry | None:
        """The entry of that id, or None."""
        return self._by_id.get(label)

    @cached_property
    def _by_id(self) -> Mapping[str, Entry]:
        return {entry.id: entry for entry in self.index.entries}


def speaks(entry: str, asked: str) -> bool:
    """Whether an entry of locale `entry` may answer in `asked`: none is any, and a language holds its countries."""
    return not entry or entry == asked or entry.startswith(f"{asked}-") or asked.startswith(f"{entry}-")


def amended(model: Answering, content: Mapping[str, Any]) -> Answering:
    """The model with the content's entries added (one of the same id is replaced) and its withdrawn ids gone.

    Only the new entries are embedded and indexed; weights and threshold stay, and the large parts are shared. The model
    itself is not changed.
    """
    fresh = {entry.id: entry for entry in amended_entries(content)}
    gone = {str(one) for one in content.get("withdrawn", ())} | set(fresh)
    kept = [place for place, entry in enumerate(model.index.entries) if entry.id not in gone]
    embed = None if model.backbone is None else model.backbone.embed
    return replace(model, index=model.index.changed(kept, list(fresh.values()), embed))


def to_files(index: Index) -> dict[str, bytes]:
    """What an artifact of these kinds holds; the backbone is an artifact of its own."""
    files = {ENTRIES: canonical_json([entry.to_json() for entry in index.entries])}
    if index.vectors is not None:
        files[VECTORS] = tensors_to_bytes({"questions": index.vectors.questions, "answers": index.vectors.answers})
    return files


def entries_of(file: bytes, where: str) -> list[Entry]:
    """The entries of an artifact's file. Raises BadInput, and ValueError where it is no JSON."""
    return [entry_of(values, where) for values in json.loads(file)]


def to_settings(model: Answering) -> dict[str, Any]:
    """What else is needed to open it: weights by signal, threshold, the scale of cosines."""
    fusion, vectors = model.fusion, model.index.vectors
    scale = {} if vectors is None else {"mean": vectors.mean, "spread": vectors.spread}
    weights = {name: float(weight) for name, weight in zip(SIGNALS, fusion.weights, strict=True)}
    return {"weights": weights, "none": fusion.none, "threshold": fusion.threshold, **scale}


def open_parts(kind: str, parts: Parts) -> Answering:
    """The model of that kind that was saved. Raises Broken when the parts do not fit."""
    settings = parts.settings
    try:
        entries = entries_of(parts.read(ENTRIES), parts.where)
        named = settings["weights"]  # a signal that an older model does not name was not weighed
        weights = np.array([float(named.get(name, 0.0)) for name in SIGNALS], dtype=np.float32)
        none, threshold = float(settings["none"]), float(settings["threshold"])
    except (PenstockError, KeyError, TypeError, ValueError) as error:
        raise Broken(f"the knowledge base cannot be read: {error}", where=parts.where) from None
    if tuple(entry.id for entry in entries) != tuple(parts.labels):
        raise Broken("the entries are not those that the artifact names", where=parts.where)
    if not (np.isfinite(weights).all() and np.isfinite([none, threshold]).all()):
        raise Broken("the model holds numbers that are not finite", where=parts.where)
    backbone, vectors = None, None
    if any(weights[SIGNALS.index(name)] for name in BY_MEANING):
        backbone = parts.text_backbone()
        tensors = tensors_from_bytes(parts.read(VECTORS))
        vectors = Vectors(tensors["questions"], tensors["answers"], float(settings["mean"]), float(settings["spread"]))
        rows = sum(len(entry.questions) for entry in entries), len(entries)
        shapes = vectors.questions.shape, vectors.answers.shape
        if shapes != ((rows[0], backbone.hidden), (rows[1], backbone.hidden)):
            raise Broken(f"vectors of {shapes} do not fit {rows} texts of {backbone.hidden}", where=parts.where)
        if not (np.isfinite(vectors.questions).all() and np.isfinite(vectors.answers).all() and vectors.spread > 0):
            raise Broken("the vectors hold numbers that are not finite", where=parts.where)
    index = make_index(entries, vectors)
    return Answering(kind, index, Fusion(weights, none, threshold), backbone)
