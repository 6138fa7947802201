"""`opinion.v1`: names the entities of a document and scores its sentiment by another product's model.

It carries the detector that watches the series made of its answers; it knows neither customers nor storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import canonical_json
from penstock.models.protocol import Floats, Model, Parts
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.model import detector as detecting
from penstock.tasks.opinion.model.detector import Detector
from penstock.tasks.opinion.model.matcher import Matcher

KIND = "opinion.v1"
FILE = "opinion.json"

Tones = Mapping[str, int]
"""Sentiment label -> -1, 0 or 1."""


@dataclass(frozen=True, eq=False)
class Watch:
    """What is watched, without the sentiment model: enough to follow series. tones: of the sentiment labels."""

    entities: Mapping[str, tuple[str, ...]]
    tones: Tones
    detector: Detector


@dataclass(frozen=True, eq=False)
class OpinionModel:
    """labels: those of the sentiment model, then the entities' names."""

    watch: Watch
    matcher: Matcher
    sentiment: Model
    kind: str = KIND

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.sentiment.labels, *self.matcher.names)

    @property
    def sentiments(self) -> int:
        """How many of the labels, from the first on, are the sentiment's."""
        return len(self.sentiment.labels)

    def predict(self, documents: Sequence[Document]) -> Floats:
        """(n, labels): the sentiment's probabilities, then 1 for each entity that the text names and 0 for others."""
        scores = np.zeros((len(documents), len(self.labels)), dtype=np.float32)
        if documents:
            scores[:, : self.sentiments] = self.sentiment.predict([document.text for document in documents])
        for row, document in enumerate(documents):
            for match in self.matcher.find(document.text):
                scores[row, self.sentiments + match.entity] = 1.0
        return scores


def check(model: OpinionModel) -> None:
    """Raises BadInput when an entity is named as a sentiment, or the tones are not those of the sentiment's labels."""
    both = set(model.sentiment.labels) & set(model.watch.entities)
    if both:
        raise BadInput(f"the entity {min(both)!r} has the name of a sentiment", hint="name it otherwise")
    if set(model.watch.tones) != set(model.sentiment.labels):
        raise BadInput("the tones are not those of the sentiment's labels", where=", ".join(model.sentiment.labels))


def tones_of(labels: Sequence[str], positive: Iterable[str], negative: Iterable[str]) -> dict[str, int]:
    """Each sentiment label's tone. Raises BadInput for a label that the sentiment model does not know."""
    tones = dict.fromkeys(labels, 0)
    for field, named, tone in (("positive", positive, 1), ("negative", negative, -1)):
        for label in named:
            if label not in tones:
                known = ", ".join(map(repr, labels))
                raise BadInput(
                    f"the sentiment product has no label {label!r}",
                    where=f"options.{field}",
                    hint=f"its labels are {known}; say which are {field}: {field} = [...]",
                )
            if tones[label] != 0:
                raise BadInput(f"the label {label!r} is called positive and negative", where=f"options.{field}")
            tones[label] = tone
    return tones


def to_files(watch: Watch) -> dict[str, bytes]:
    """What an artifact of this kind holds."""
    content = {
        "entities": {name: list(aliases) for name, aliases in watch.entities.items()},
        "tones": dict(watch.tones),
        "detector": detecting.to_json(watch.detector),
    }
    return {FILE: canonical_json(content)}


def read_watch(content: bytes, where: str) -> Watch:
    """What `to_files` kept. Raises Broken when it is something else."""
    try:
        found: dict[str, Any] = json.loads(content)
        # canonical JSON sorts its keys; the detector's order is that of the labels
        names = found["detector"]["entities"]
        entities = {name: tuple(found["entities"][name]) for name in names}
        tones = {str(label): int(tone) for label, tone in found["tones"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"the artifact's {FILE} cannot be read: {error}", where=where) from None
    return Watch(entities, tones, detecting.from_json(found["detector"], where))


def open_parts(parts: Parts) -> OpinionModel:
    """The model that was saved, its sentiment model loaded by digest. Raises Broken when the parts do not fit."""
    watch = read_watch(parts.read(FILE), parts.where)
    if parts.load is None:
        raise Broken("the model stands on a sentiment model, and none can be loaded here", where=parts.where)
    sentiment = parts.load(str(parts.settings["sentiment"]))
    try:
        model = OpinionModel(watch, Matcher(watch.entities), sentiment)
        check(model)
    except BadInput as error:
        raise Broken(error.message, where=parts.where) from None
    if model.labels != tuple(parts.labels):
        raise Broken("the labels are not those of the sentiment model and the entities", where=parts.where)
    return model
