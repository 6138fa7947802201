"""`language-detection`: which language a text is written in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.errors import BadInput
from penstock.datasets.cleaning import clean
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Prepared, Row, Split, TaskRow, as_objects
from penstock.evaluation.classification import QUALITY, TRIVIAL, measure_classes
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model
from penstock.task import Task
from penstock.workspace.records import Product
from penstock_languages.model import KIND, open_parts

if TYPE_CHECKING:  # a gateway reads this module, and loads no training code
    from penstock.training.records import Training

MAX_CHARS = 10_000
SECTION = """\
{test_line}
gate = {{ accuracy = ">= 0.90", latency_p95_ms = "<= 50", gross_margin = ">= 0.70" }}
"""


def prepare(product: Product, folder: Path, extra: Sequence[TaskRow] = ()) -> Prepared:
    """Rows of text and label, cleaned and split as those of any classifier. Raises BadInput at file:line."""
    train = read_rows(folder / product.data, product.columns)
    test = None if product.test is None else read_rows(folder / product.test, product.columns)
    cleaned = clean(train, test, product.cleaning, product.seed, extra=[Row(**row) for row in extra])
    return Prepared(as_objects(cleaned.train), as_objects(cleaned.test), cleaned.report)


def split(rows: Sequence[TaskRow], product: Product) -> Split:
    """Texts and their languages."""
    return Split(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))


def measure(model: Model, test: Split, answers: Floats, seed: int) -> Measured:
    """Accuracy, macro-F1, calibration and the worst errors."""
    return measure_classes(model.labels, test.labels, answers, test.inputs, seed)


def parse(inputs: list[Any], model: Model) -> list[str]:
    """The inputs as they are, each a text. Raises BadInput for the first that is none."""
    for place, text in enumerate(inputs):
        if not isinstance(text, str) or not text.strip():
            raise BadInput("an input must be a text", where=f"inputs[{place}]", hint='e.g. "Where is my order?"')
        if len(text) > MAX_CHARS:
            raise BadInput(f"the text is longer than {MAX_CHARS:,} characters", where=f"inputs[{place}]")
    return inputs


def render(model: Model, text: str, probabilities: Floats) -> dict[str, Any]:
    """The likeliest language and its probability."""
    best = int(np.argmax(probabilities))
    return {"language": model.labels[best], "score": round(float(probabilities[best]), 6)}


def correction(text: Any, language: str) -> TaskRow:
    """A customer's own word for a text's language. Raises BadInput for one that is none."""
    if not isinstance(text, str):
        raise BadInput("this product's inputs are texts", where="inputs")
    if not 0 < len(language.strip()) <= 40:
        raise BadInput("the correction must be a language", where="correction", hint='as the data name it, e.g. "en"')
    return {"text": text, "label": language.strip()}


def _training() -> Training:
    from penstock_languages.train import TRAINING

    return TRAINING


TASK: Task[Split, str, dict[str, Any]] = Task(
    name="language-detection",
    unit="text",
    ladder=(KIND,),
    quality=QUALITY,
    trivial=TRIVIAL,
    prepare=prepare,
    split=split,
    inputs=lambda test: test.inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=lambda model: ["Where is my order?", "我的订单到哪了？", "x"],
    input_schema={"type": "string", "minLength": 1, "maxLength": MAX_CHARS},
    output_schema={
        "type": "object",
        "required": ["language", "score"],
        "properties": {"language": {"type": "string"}, "score": {"type": "number"}},
    },
    training=_training,
    kinds={KIND: open_parts},
    correction=correction,
    fields=("text", "label"),
    form="text",
    section=SECTION,
)
