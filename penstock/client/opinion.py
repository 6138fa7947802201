"""Opinion monitoring, typed: documents to send, and what was answered of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.client.core import Call, Prediction, listed, predict_as


@dataclass(frozen=True)
class Document:
    """A text that was published at `time` (with a zone). id: yours; the same id counts once."""

    text: str
    time: datetime
    id: str = ""
    source: str = ""
    url: str = ""


@dataclass(frozen=True)
class Mention:
    """An entity that a document names, by which of its aliases, and the document's sentiment."""

    name: str
    aliases: tuple[str, ...]
    sentiment: str


@dataclass(frozen=True)
class Opinion:
    """What was answered of one document. tone: negative, neutral or positive; label: the sentiment product's own."""

    document: str
    mentions: tuple[Mention, ...]
    label: str
    score: float
    tone: str

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Opinion:
        """One output of a prediction."""
        told = output["sentiment"]
        return cls(
            document=output["document"],
            mentions=tuple(
                Mention(entity["name"], tuple(entity["aliases"]), entity["sentiment"]) for entity in output["entities"]
            ),
            label=told["label"],
            score=float(told["score"]),
            tone=told["tone"],
        )


def documents(
    product: str, sent: Document | Iterable[Document], request_id: str | None = None
) -> Call[Prediction[Opinion]]:
    """The call that reads documents: `client.ask(opinion.documents("brands", [...]))`."""
    return predict_as(Opinion.from_output, product, inputs(sent), request_id)


def inputs(documents: Document | Iterable[Document]) -> list[dict[str, str]]:
    """The wire's form. Raises ValueError for a time without a zone."""
    return [_input(one) for one in listed(documents, (Document,), "documents", each=(Document,))]


def _input(document: Document) -> dict[str, str]:
    if document.time.tzinfo is None:
        raise ValueError(f"the time of {document.text[:40]!r} has no zone")
    values = {"text": document.text, "time": document.time.isoformat()}
    rest = {"id": document.id, "source": document.source, "url": document.url}
    return {**values, **{name: value for name, value in rest.items() if value}}
