"""`text-classification` of products with `options.multi_label = true`: any number of labels for a text, or none.

What is not here is as for one label; which of the two a model answers, the model says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock.core.errors import BadInput
from penstock.evaluation.measured import Measured, Section
from penstock.models.protocol import Floats, Model, given, thresholds_of
from penstock.models.vectors import in_bulk
from penstock.task import AnyTask
from penstock.tasks.text import task as one
from penstock.tasks.text.data.label_sets import LabelledSets, labels_in_rows, prepare_sets, separated, split_sets
from penstock.tasks.text.label_set_measures import QUALITY, TRIVIAL, exactly, measure_sets
from penstock.tasks.text.robustness import robustness
from penstock.tasks.text.task import EXPLANATION, checked_label

ROBUST = "robust_exact_match"
MOST_LABELS = 100
THRESHOLDS = "Thresholds"
THRESHOLDS_NOTE = "The score from which on each label is given, set on training rows that were held out."
CHINESE = {
    **one.CHINESE,
    ROBUST: "鲁棒完全匹配率",
    "Exact match": "完全匹配率",
    THRESHOLDS: "阈值",
    THRESHOLDS_NOTE: "各标签得分达到此值才会给出，由训练时留出的行确定。",
    "Threshold": "阈值",
}
SECTION = one.SECTION.replace('accuracy = ">= 0.80"', 'micro_f1 = ">= 0.70"').replace(
    '# options = {{ abstain = true, out_of_scope = "data/other.csv" }}   # may answer "unsure", e.g. to such texts\n',
    "# A text has any number of labels, or none; in a cell this sign stands between them.\n"
    'options = {{ multi_label = true, label_separator = "|" }}\n',
)


def measure(model: Model, test: LabelledSets, answers: Floats, seed: int) -> Measured:
    """Micro F1 and all that several labels are measured by, how it bears hasty writing, and the thresholds. A model
    that gives one label, such as a live one from before, is measured by that one."""
    measured = measure_sets(model.labels, test.labels, answers, given(model, answers), test.texts, seed)
    hasty = robustness(
        lambda texts, rows: exactly(
            model.labels, [test.labels[row] for row in rows], given(model, in_bulk(model, texts))
        ),
        test.texts,
        exactly(model.labels, test.labels, given(model, answers)),
        most_rows=test.options.robust_rows,
        seed=seed,
        measure="Exact match",
    )
    return replace(
        measured,
        quality={**measured.quality, **({} if hasty is None else {ROBUST: hasty.lowest})},
        sections=(*(() if hasty is None else (hasty.section,)), *_thresholds(model)),
    )


def correction(text: Any, labels: str) -> Mapping[str, Any]:
    """A customer's own labels for its text: a list in JSON, which may be empty, or one label as it is."""
    if not isinstance(text, str):
        raise BadInput("this product's inputs are texts", where="inputs")
    try:
        found = json.loads(labels) if labels.startswith("[") else [labels]
    except (ValueError, RecursionError):
        found = [labels]
    if not (isinstance(found, list) and len(found) <= MOST_LABELS and all(isinstance(each, str) for each in found)):
        hint = f"send a list of at most {MOST_LABELS} labels, [] where none fits"
        raise BadInput("the correction must be a list of labels", where="correction", hint=hint)
    return {"text": text, "labels": sorted({checked_label(label) for label in found})}


def _thresholds(model: Model) -> tuple[Section, ...]:
    levels = thresholds_of(model)
    if levels is None:
        return ()
    rows = tuple((label, f"{level:.3f}") for label, level in zip(model.labels, levels.tolist(), strict=True))
    return (Section(THRESHOLDS, THRESHOLDS_NOTE, ("Label", "Threshold"), rows),)


_SCORED = {"label": {"type": "string"}, "score": {"type": "number"}}
_LEVEL = {"threshold": {"type": "number", "description": "the label is given from this score on"}}

_ONE: AnyTask = one.TASK  # its functions read other splits than those of one label
TASK = replace(
    _ONE,
    ladder=("ngram-linear.v1", "frozen-linear.v1"),
    quality=(*QUALITY, ROBUST),
    trivial=TRIVIAL,
    prepare=prepare_sets,
    labels=labels_in_rows,
    split=split_sets,
    inputs=lambda test: test.inputs,
    measure=measure,
    correction=correction,
    multi_label=None,
    several_labels=True,
    label_reader=lambda product: separated(product).read,
    section=SECTION,
    chinese=CHINESE,
    output_schema={
        "type": "object",
        "required": ["labels", "top"],
        "properties": {
            "labels": {
                "type": "array",
                "description": "those whose score reaches their threshold, the likeliest first; may be empty",
                "items": {"type": "object", "required": list(_SCORED), "properties": _SCORED},
            },
            "top": {
                "type": "array",
                "description": "the three likeliest, given or not",
                "items": {"type": "object", "properties": {**_SCORED, **_LEVEL}},
            },
            "explanation": EXPLANATION,
        },
    },
)
