"""Knowledge answering for customers' programs: builds the inputs from questions, reads the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.client.core import Call, Prediction, listed, predict_as


@dataclass(frozen=True)
class Candidate:
    """An entry that came near, at this version, and how sure the product is of it."""

    entry: str
    version: str
    question: str
    score: float


@dataclass(frozen=True)
class Reply:
    """An answer with its source, or none: then hand the question to a person.

    reason: why there is none: "not_sure", "expired" (the entry's last day is over) or "nothing_known".
    """

    answered: bool
    answer: str | None
    entry: str | None
    version: str | None
    question: str | None
    score: float
    threshold: float
    reason: str | None
    tags: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> Reply:
        """One of `Prediction.outputs`."""
        return cls(
            answered=bool(output["answered"]),
            answer=output["answer"],
            entry=output["entry"],
            version=output["version"],
            question=output["question"],
            score=float(output["score"]),
            threshold=float(output["threshold"]),
            reason=output["reason"],
            tags=tuple(output["tags"]),
            candidates=tuple(
                Candidate(each["entry"], each["version"], each["question"], float(each["score"]))
                for each in output["candidates"]
            ),
        )


def questions(
    product: str, texts: str | Iterable[str], *, locale: str | None = None, request_id: str | None = None
) -> Call[Prediction[Reply]]:
    """The call that asks: `client.ask(knowledge.questions("faq", ["Do you ship to Norway?"]))`."""
    return predict_as(Reply.from_output, product, question_inputs(texts, locale), request_id)


def question_inputs(questions: str | Iterable[str], locale: str | None = None) -> list[str | dict[str, str]]:
    """Inputs of questions. locale: only entries of it (or of none) may answer, e.g. "zh-CN"."""
    asked = listed(questions, (str,), "questions", each=(str,))
    return [text if locale is None else {"question": text, "locale": locale} for text in asked]
