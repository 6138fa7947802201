"""`text-classification`: one label for a text (intent, topic, sentiment). It knows the wire, not the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.evaluation.classification import QUALITY, TRIVIAL, measure_classes
from penstock.evaluation.intervals import Metric
from penstock.evaluation.measured import Classes, Measured, Section
from penstock.evaluation.thresholds import CHINESE as UNSURE_CHINESE
from penstock.evaluation.thresholds import UNSURE, measure_unsure
from penstock.models.parts import Steps, strongest
from penstock.models.protocol import Floats, Model, thresholds_of, unsure_below
from penstock.models.vectors import in_bulk
from penstock.task import AnyTask, Task
from penstock.tasks.text.data.options import TextOptions, privacy_of, read_options
from penstock.tasks.text.data.preparing import labels_of, prepare_texts
from penstock.tasks.text.model import KINDS
from penstock.tasks.text.model import explain as explaining
from penstock.tasks.text.robustness import robustness
from penstock.workspace.records import Product

if TYPE_CHECKING:
    from penstock.training.records import Training

MAX_CHARS = 20_000
MAX_LABEL_CHARS = 200
TOP = 3
EXPLAINED_ERRORS = 8
SHOWN_WORDS = 5
ROBUST = "robust_accuracy"
DECIDED = "What decided"
DECIDED_NOTE = "The words that weighed most in the worst wrong answers; above 0 they spoke for the answer."
CHINESE = {
    **UNSURE_CHINESE,
    ROBUST: "鲁棒准确率",
    "Robustness": "鲁棒性",
    "The same test rows as they are, and changed as people in a hurry write; the line is the 95% interval.": (
        "同一批测试行的原文与仓促书写的变体；细线为 95% 置信区间。"
    ),
    "Texts": "文本",
    "Example": "示例",
    "Accuracy": "准确率",
    "Rows changed": "改动行数",
    "as they are": "原文",
    "typos": "错字",
    "case": "大小写",
    "word swaps": "词序颠倒",
    "truncation": "截断",
    DECIDED: "判断依据",
    DECIDED_NOTE: "在最严重的错误中权重最大的词；大于 0 表示支持该回答。",
    "Spoke for the answer": "支持该回答",
    "Spoke against it": "反对该回答",
}
UNSURE_REASON = "unsure"
PROBES = ("Where is my order?", "我的订单到哪了？", "x", "It broke after a day, and nobody answers. " * 20)
EXPLANATION = {
    "type": "array",
    "description": "where `explain` was asked: what each word added to the label's score, heaviest first",
    "items": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "start": {"type": "integer"},
            "end": {"type": "integer"},
            "weight": {"type": "number"},
        },
    },
}
SECTION = """\
{test_line}
# columns = {{ text = "message", label = "intent" }}   # if your file names its columns otherwise
backbone = "english"               # leave it out for the rungs that need none
# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
gate = {{ accuracy = ">= 0.80", latency_p95_ms = "<= 50", gross_margin = ">= 0.70" }}
# What cleaning drops is always counted. min_class_rows: a label with fewer rows is an error; mask_personal_data makes
# <email>, <phone> ... of e-mail addresses and numbers; drop_near_duplicates drops rows that nearly repeat another.
cleaning = {{ max_chars = 10_000, min_class_rows = 2, mask_personal_data = false, drop_near_duplicates = false }}
# options = {{ abstain = true, out_of_scope = "data/other.csv" }}   # may answer "unsure", e.g. to such texts
"""


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> Split:
    """Texts and their labels. Raises BadInput for a version of rows with several labels."""
    if rows and "label" not in rows[0]:
        hint = "options.multi_label = true again, or train anew without it"
        raise BadInput("the rows of this data version have several labels", where="options.multi_label", hint=hint)
    labelled = [row for row in rows if row["label"] is not None]
    texts, labels = (tuple(row[name] for row in labelled) for name in ("text", "label"))
    origins = tuple(row.get("origin", "") for row in labelled)
    outside = tuple(row["text"] for row in rows if row["label"] is None)
    return Split(texts, labels, read_options(product.options), origins, outside)


def measure(model: Model, test: Split, answers: Floats, seed: int) -> Measured:
    """Accuracy and all that classifiers are measured by, how it bears hasty writing, and what decided its errors; where
    it may be unsure, how often it answers. answers: to the labelled texts, then to those out of scope."""
    inside, outside = answers[: len(test)], answers[len(test) :]
    answers = inside
    measured = measure_classes(model.labels, test.labels, answers, test.texts, seed)
    if measured.classes is None or not isinstance(test.options, TextOptions):
        return measured
    index = {label: number for number, label in enumerate(measured.classes.labels)}
    right = np.array([index[label] for label in test.labels], dtype=np.int64)
    answered = answers.argmax(axis=1).astype(np.int64)
    rows = test.options.robust_rows
    sure, table = _unsure(model, answers, outside, right == answered) if test.options.abstain else ({}, None)
    hasty = robustness(
        lambda texts, rows: in_bulk(model, texts).argmax(axis=1) == right[rows],
        test.texts,
        right == answered,
        most_rows=rows,
        seed=seed,
    )
    decided = _decided(model, test.texts, measured.classes)
    return replace(
        measured,
        quality={**measured.quality, **({} if hasty is None else {ROBUST: hasty.lowest}), **sure},
        sections=tuple(each for each in (table, None if hasty is None else hasty.section, decided) if each is not None),
    )


def parse(inputs: list[Any], model: Model) -> list[str]:
    """The inputs as they are, each a text. Raises BadInput for the first that is not."""
    for index, text in enumerate(inputs):
        problem = _problem(text)
        if problem is not None:
            raise BadInput(problem[0], where=f"inputs[{index}]", hint=problem[1])
    return list(inputs)


def render(model: Model, text: str, probabilities: Floats) -> dict[str, Any]:
    """The likeliest label with its score, and the three likeliest; equal scores in the order of the labels. Of a model
    that may be unsure also its threshold, and below that no label but a reason. Of a model that gives any number of
    labels, those; what is live decides, not what penstock.toml says by now."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]  # the first is `_likeliest`
    top = [{"label": model.labels[index], "score": _score(probabilities[index])} for index in order]
    if (levels := thresholds_of(model)) is not None:
        return _several(model.labels, probabilities, levels)
    threshold = unsure_below(model)
    if threshold is None:
        return {"label": top[0]["label"], "score": top[0]["score"], "top": top}
    unsure = bool(probabilities[order[0]] < threshold)  # as it was measured: not by the rounded score
    return {
        "label": None if unsure else top[0]["label"],
        "score": top[0]["score"],
        "top": top,
        "reason": UNSURE_REASON if unsure else None,
        "threshold": round(threshold, 6),
    }


def _several(labels: Sequence[str], probabilities: Floats, thresholds: Floats) -> dict[str, Any]:
    """The labels from their thresholds on with their scores, the likeliest first; and the three likeliest, given or
    not, with their thresholds."""
    order = np.argsort(-probabilities, kind="stable").tolist()
    scored = [{"label": labels[index], "score": _score(probabilities[index])} for index in order]
    top = [{**one, "threshold": _score(thresholds[index])} for one, index in zip(scored, order[:TOP], strict=False)]
    given = zip(scored, order, strict=True)
    return {"labels": [one for one, index in given if probabilities[index] >= thresholds[index]], "top": top}


def _unsure(
    model: Model, answers: Floats, outside: Floats, right: NDArray[np.bool_]
) -> tuple[dict[str, Metric], Section]:
    tops = (each.max(axis=1, initial=0.0).astype(np.float64) for each in (answers, outside))
    return measure_unsure(next(tops), right, next(tops), unsure_below(model))


def explain(model: Model, text: str, probabilities: Floats) -> Steps:
    """What each word adds to the score of the likeliest label."""
    return explaining.steps(model, text, _likeliest(probabilities))


def correction(text: Any, label: str) -> Mapping[str, Any]:
    """A customer's own label for its text."""
    if not isinstance(text, str):
        raise BadInput("this product's inputs are texts", where="inputs")
    return {"text": text, "label": checked_label(label)}


def checked_label(label: str) -> str:
    """A label as a customer may name it. Raises BadInput."""
    if not (0 < len(label.strip()) <= MAX_LABEL_CHARS and label.strip().isprintable()):
        raise BadInput("the correction must be a label", where="correction", hint="1 to 200 printable characters")
    return label.strip()


def _likeliest(probabilities: Floats) -> int:
    return int(np.argsort(-probabilities, kind="stable")[0])


def _decided(model: Model, texts: Sequence[str], classes: Classes) -> Section | None:
    """The words that spoke for the worst wrong answers, and against them."""
    rows = []
    for wrong in classes.worst_errors[:EXPLAINED_ERRORS]:
        text = texts[wrong.row]
        parts = strongest(explaining.explain(model, text, classes.labels.index(wrong.predicted)), SHOWN_WORDS)
        words = [f"{text[part.start : part.end]} {part.weight:+.2f}" for part in parts]
        spoke = [
            ", ".join(word for word, part in zip(words, parts, strict=True) if part.weight * way > 0) for way in (1, -1)
        ]
        rows.append((str(wrong.row + 1), wrong.truth, wrong.predicted, *spoke))
    if not rows:
        return None
    header = ("Row", "True label", "Answered", "Spoke for the answer", "Spoke against it")
    return Section(DECIDED, DECIDED_NOTE, header, tuple(rows), numbers_from=len(header))


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


def _multi_label() -> AnyTask:
    from penstock.tasks.text.multi_label import TASK as several

    return several


def _training() -> Training:
    from penstock.tasks.text.train import TRAINING

    return TRAINING


TASK = Task(
    name="text-classification",
    unit="prediction",
    ladder=("ngram-linear.v1", "static.v1", "frozen-linear.v1", "lora.v1", "full.v1", "blend.v1"),
    quality=(*QUALITY, ROBUST, *UNSURE),
    trivial=TRIVIAL,
    prepare=prepare_texts,
    labels=labels_of,
    split=split,
    inputs=lambda test: (*test.inputs, *test.outside),
    measure=measure,
    parse=parse,
    render=render,
    probes=lambda model: list(PROBES),
    explain=explain,
    options=TextOptions,
    form="text",
    fields=("text", "label"),
    headerless=True,
    reads_language=True,
    training=_training,
    kinds=KINDS,
    privacy=privacy_of,
    chinese=CHINESE,
    correction=correction,
    multi_label=_multi_label,
    example="helpdesk",
    section=SECTION,
    input_schema={"type": "string", "minLength": 1, "maxLength": MAX_CHARS},
    output_schema={
        "type": "object",
        "required": ["label", "score", "top"],
        "properties": {
            "label": {"type": ["string", "null"], "description": "null where the product is unsure"},
            "score": {"type": "number"},
            "reason": {"enum": [UNSURE_REASON, None], "description": "where the product may be unsure"},
            "threshold": {"type": "number", "description": "where the product may be unsure: it is, below this score"},
            "top": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
                },
            },
            "explanation": EXPLANATION,
        },
    },
)
