"""`text-classification`: one label for a text (intent, topic, sentiment). It knows the wire, not the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.models.protocol import Floats
from penstock.tasks import Task

MAX_CHARS = 20_000
TOP = 3


def parse_inputs(inputs: list[Any]) -> list[str]:
    """The inputs as they are, each a text. Raises BadInput for the first that is not."""
    for index, text in enumerate(inputs):
        problem = _problem(text)
        if problem is not None:
            raise BadInput(problem[0], where=f"inputs[{index}]", hint=problem[1])
    return list(inputs)


def render(labels: Sequence[str], probabilities: Floats) -> dict[str, Any]:
    """The likeliest label with its score, and the three likeliest; equal scores in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [{"label": labels[index], "score": _score(probabilities[index])} for index in order]
    return {"label": top[0]["label"], "score": top[0]["score"], "top": top}


def _problem(text: Any) -> tuple[str, str] | None:
    if not isinstance(text, str):
        return f"an input must be a text, not {_json_type(text)}", 'send e.g. {"inputs": ["Where is my order?"]}'
    if not text.strip():
        return "the text is empty", "send at least one character that is not a space"
    if len(text) > MAX_CHARS:
        return f"the text has {len(text):,} characters; at most {MAX_CHARS:,} are read", "shorten or split it"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text holds half of a surrogate pair, which is no character", "send valid UTF-8"
    return None


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _score(probability: np.float32) -> float:
    return round(float(probability), 6)


TASK = Task(
    name="text-classification",
    unit="prediction",
    columns=("text", "label"),
    ladder=("ngram-linear.v1", "frozen-linear.v1"),
    gate_metrics=(
        "accuracy",
        "macro_f1",
        "ece",
        "latency_p50_ms",
        "latency_p95_ms",
        "cost_per_1000",
        "gross_margin",
        "parity",
    ),
    parse_inputs=parse_inputs,
    render=render,
)
