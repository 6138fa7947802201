"""`text-classification`: one label for a text (intent, topic, sentiment). It knows the wire, not the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.prepare import prepare_texts
from penstock.datasets.rows import Split
from penstock.evaluation.classification import QUALITY, measure_classes
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model
from penstock.tasks import Task
from penstock.workspace.records import Product

MAX_CHARS = 20_000
MAX_LABEL_CHARS = 200
TOP = 3
PROBES = ("Where is my order?", "我的订单到哪了？", "x", "It broke after a day, and nobody answers. " * 20)
SECTION = """\
{test_line}
# columns = {{ text = "message", label = "intent" }}   # if your file names its columns otherwise
backbone = "english"               # leave it out for the rungs that need none
# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
gate = {{ accuracy = ">= 0.80", latency_p95_ms = "<= 50", gross_margin = ">= 0.70" }}
# What cleaning drops is always counted. min_class_rows: a label with fewer rows is an error; mask_personal_data makes
# <email>, <phone> ... of e-mail addresses and numbers; drop_near_duplicates drops rows that nearly repeat another.
cleaning = {{ max_chars = 10_000, min_class_rows = 2, mask_personal_data = false, drop_near_duplicates = false }}
"""


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> Split:
    """Texts and their labels."""
    return Split(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))


def measure(model: Model, test: Split, answers: Floats, seed: int) -> Measured:
    """Accuracy and all that classifiers are measured by."""
    return measure_classes(model.labels, test.labels, answers, test.texts, seed)


def parse(inputs: list[Any], model: Model) -> list[str]:
    """The inputs as they are, each a text. Raises BadInput for the first that is not."""
    for index, text in enumerate(inputs):
        problem = _problem(text)
        if problem is not None:
            raise BadInput(problem[0], where=f"inputs[{index}]", hint=problem[1])
    return list(inputs)


def render(model: Model, text: str, probabilities: Floats) -> dict[str, Any]:
    """The likeliest label with its score, and the three likeliest; equal scores in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [{"label": model.labels[index], "score": _score(probabilities[index])} for index in order]
    return {"label": top[0]["label"], "score": top[0]["score"], "top": top}


def correction(text: Any, label: str) -> Mapping[str, Any]:
    """A customer's own label for its text."""
    if not isinstance(text, str):
        raise BadInput("this product's inputs are texts", where="inputs")
    if not (0 < len(label.strip()) <= MAX_LABEL_CHARS and label.strip().isprintable()):
        raise BadInput("the correction must be a label", where="correction", hint="1 to 200 printable characters")
    return {"text": text, "label": label.strip()}


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
    ladder=("ngram-linear.v1", "frozen-linear.v1"),
    quality=QUALITY,
    prepare=prepare_texts,
    split=split,
    inputs=lambda test: test.inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=lambda model: list(PROBES),
    correction=correction,
    example="helpdesk",
    section=SECTION,
    input_schema={"type": "string", "minLength": 1, "maxLength": MAX_CHARS},
    output_schema={
        "type": "object",
        "required": ["label", "score", "top"],
        "properties": {
            "label": {"type": "string"},
            "score": {"type": "number"},
            "top": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
                },
            },
        },
    },
)
