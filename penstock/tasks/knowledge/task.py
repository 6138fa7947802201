"""`knowledge-answering`: the answer to a customer's question, from entries that people wrote, or "don't know".

It knows the wire, the columns and the measures, not how entries are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.datasets.out_of_scope import OutOfScope
from penstock.datasets.rows import Prepared
from penstock.evaluation.measured import Measured
from penstock.evaluation.thresholds import CHINESE, OTHERS
from penstock.identity.belongings import Belonging
from penstock.models.protocol import Floats, Model
from penstock.task import CustomerData, Office, Task
from penstock.tasks.knowledge.data.cleaning import clean
from penstock.tasks.knowledge.data.entries import MAX_QUESTION_CHARS
from penstock.tasks.knowledge.data.parts import Knowledge, amended_entries, knowledge_of
from penstock.tasks.knowledge.data.reader import read_entries, read_questions, read_unanswerable
from penstock.tasks.knowledge.edits import consented, said_by
from penstock.tasks.knowledge.measure import ANSWERS_NOTHING, QUALITY, TRIVIAL, measure_answers
from penstock.tasks.knowledge.model import KINDS
from penstock.tasks.knowledge.model.answering import Answering, Question, amended, speaks, today_utc
from penstock.tasks.knowledge.proposals import erase_questions, forget_uncopied
from penstock.tasks.knowledge.tables import proposal_question
from penstock.workspace.records import Product

if TYPE_CHECKING:
    from penstock.training.records import Training

TOP = 3
PROBES = ("Where is my order?", "我的订单到哪了？", "x", "?!", "It broke after a day, and nobody answers. " * 20)
SECTION = """\
{test_line}
# columns = {{ question = "title", answer = "body" }}   # if your file names its columns otherwise
backbone = "english"               # leave it out for entries in other languages: bm25.v1 needs none

# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
[products.{product}.gate]
top1 = ">= 0.50"                   # of the questions that an entry answers, how often it comes first
coverage = ">= 0.10"               # the share that is answered at all: a model that hands everything over sells nothing
precision = ">= 0.80"              # how much of what is answered is answered rightly
latency_p95_ms = "<= 50"
gross_margin = ">= 0.70"

[products.{product}.options]
target_precision = 0.95            # of the questions that are answered, so many rightly; the others go to a person
out_of_scope_share = 0.3           # of the questions in use that no entry answers, as you expect it
# out_of_scope = "data/other.csv"  # a column `question` of such questions, to calibrate by
"""


class Options(OutOfScope):
    """[products.NAME.options]. out_of_scope: a file of questions that no entry answers, for calibration only."""


def prepare(product: Product, folder: Path, extra: Sequence[Mapping[str, Any]]) -> Prepared:
    """Read, check and split the entries; rows of amendments stand for those of the file. Raises BadInput."""
    options = Options(**product.options)
    tested = None if product.test is None else read_questions(folder / product.test, product.columns)
    outside = [] if options.out_of_scope is None else read_unanswerable(folder / options.out_of_scope, product.columns)
    return clean(
        read_entries(folder / product.data, product.columns, product.cleaning.max_chars),
        tested,
        outside,
        extra,
        test_share=product.cleaning.test_share,
        seed=product.seed,
        today=today_utc(),
    )


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> Knowledge:
    """Entries to train on, or questions to test with."""
    return knowledge_of(rows)


def inputs(part: Knowledge) -> list[Question]:
    """The questions, in the order of their rows."""
    return [Question(asked.question, asked.locale) for asked in part.asked]


def measure(model: Model, test: Knowledge, answers: Floats, seed: int) -> Measured:
    """How often the right entry comes first, and what the threshold makes of it."""
    return measure_answers(
        labels=model.labels,
        truth=[asked.entry for asked in test.asked],
        questions=[asked.question for asked in test.asked],
        scores=answers,
        threshold=_answering(model).fusion.threshold,
        seed=seed,
    )


def parse(inputs: list[Any], model: Model) -> list[Question]:
    """Each input a question, or {"question", "locale"}. Raises BadInput for the first that is neither."""
    return [_question(value, f"inputs[{index}]", _answering(model)) for index, value in enumerate(inputs)]


def render(model: Model, question: Question, scores: Floats) -> dict[str, Any]:
    """The answer with its entry, version and score; or, below the threshold or after the entry's last day, none."""
    base = _answering(model)
    today = base.today()
    order = np.argsort(-scores, kind="stable")[:TOP]
    candidates = [(base.index.entries[place], round(float(scores[place]), 6)) for place in order]
    reason = "nothing_known"
    if candidates and scores[order[0]] > 0:
        entry, _ = candidates[0]
        sure = float(scores[order[0]]) >= base.fusion.threshold
        reason = "not_sure" if not sure else "expired" if entry.expired(today) else ""
    first = None if reason else candidates[0][0]
    return {
        "answered": first is not None,
        "answer": None if first is None else first.answer,
        "entry": None if first is None else first.id,
        "version": None if first is None else first.version,
        "question": None if first is None else first.question,
        "score": candidates[0][1] if candidates else 0.0,
        "threshold": round(base.fusion.threshold, 6),
        "reason": reason or None,
        "tags": [] if first is None else list(first.tags),
        "candidates": [
            {"entry": entry.id, "version": entry.version, "question": entry.question, "score": score}
            for entry, score in candidates
            if score > 0
        ],
    }


def correction(input: Any, text: str) -> Mapping[str, Any]:
    """None is taken: only the operator may say what is answered."""
    hint = 'send a rating of -1 and say in "comment" what was wrong: the operator is shown it as a proposal'
    raise BadInput("answers of this product are not corrected by customers", where="correction", hint=hint)


def amend(model: Model, content: Mapping[str, Any]) -> Model:
    """The model with entries added, replaced or withdrawn: {"entries": [...], "withdrawn": [ids]}."""
    return amended(_answering(model), content)


def amendment_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same as rows that stand for those of the file at the next training."""
    rows = [{**entry.to_json(), "amended": True} for entry in amended_entries(content)]
    return rows + [{"id": str(one), "withdrawn": True} for one in content.get("withdrawn", ())]


def _answering(model: Model) -> Answering:
    if not isinstance(model, Answering):
        raise Broken(f"a model of kind {model.kind!r} answers no questions", where="knowledge-answering")
    return model


def _question(value: Any, where: str, model: Answering) -> Question:
    text, locale = value, ""
    if isinstance(value, dict):
        unknown = [key for key in value if key not in ("question", "locale")]
        if unknown or "question" not in value:
            what = f"the field {str(unknown[0])[:40]!r} is not known" if unknown else "the field 'question' is missing"
            raise BadInput(what, where=where, hint='send e.g. {"question": "Where is my order?", "locale": "en"}')
        text, locale, where = value["question"], value.get("locale", ""), f"{where}.question"
        _check_locale(locale, where.replace(".question", ".locale"), model)
    if not isinstance(text, str):
        hint = 'send e.g. {"inputs": ["Where is my order?"]}'
        raise BadInput(f"a question must be a text, not {_json_type(text)}", where=where, hint=hint)
    if not text.strip():
        raise BadInput("the question is empty", where=where, hint="send at least one character that is not a space")
    if len(text) > MAX_QUESTION_CHARS:
        message = f"the question has {len(text):,} characters; at most {MAX_QUESTION_CHARS:,} are read"
        raise BadInput(message, where=where, hint="send the question alone, without what was said before")
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "the question holds half of a surrogate pair, which is no character"
        raise BadInput(message, where=where, hint="send valid UTF-8") from None
    return Question(text, locale)


def _check_locale(locale: Any, where: str, model: Answering) -> None:
    if not isinstance(locale, str):
        raise BadInput(f"a locale must be a text, not {_json_type(locale)}", where=where, hint="e.g. en or zh-CN")
    if locale and not any(speaks(one, locale) for one in model.locales):
        there = ", ".join(one for one in model.locales if one) or "none"
        raise BadInput(
            f"no entry is in the locale {locale[:20]!r}", where=where, hint=f"there: {there}; or leave it out"
        )


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


_NULLABLE = {"type": ["string", "null"]}


def _training() -> Training:
    from penstock.tasks.knowledge.train import TRAINING

    return TRAINING


TASK = Task(
    name="knowledge-answering",
    unit="question",
    ladder=("bm25.v1", "frozen-answer.v1", "hybrid-answer.v1", "tuned-answer.v1"),
    quality=QUALITY,
    trivial=TRIVIAL,
    prepare=prepare,
    split=split,
    inputs=inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=lambda model: [Question(text) for text in PROBES],
    correction=correction,
    amend=amend,
    amendment_rows=amendment_rows,
    options=Options,
    form="question",
    fields=("question", "answer"),
    reads_language=True,
    training=_training,
    kinds=KINDS,
    consented=consented,
    said_by=said_by,
    office=Office(before_forgetting=forget_uncopied),
    customers=CustomerData(
        belongings=(Belonging("questions", "questions that had no good answer", proposal_question),),
        sealed=(proposal_question,),
        erasers={"questions": erase_questions},
    ),
    example="faq",
    section=SECTION,
    input_schema={
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION_CHARS},
            {
                "type": "object",
                "required": ["question"],
                "additionalProperties": False,
                "properties": {
                    "question": {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION_CHARS},
                    "locale": {"type": "string"},
                },
            },
        ]
    },
    output_schema={
        "type": "object",
        "required": ["answered", "answer", "entry", "version", "question", "score", "threshold", "reason"],
        "properties": {
            "answered": {"type": "boolean"},
            "answer": _NULLABLE,
            "entry": _NULLABLE,
            "version": _NULLABLE,
            "question": _NULLABLE,
            "score": {"type": "number"},
            "threshold": {"type": "number"},
            "reason": {"enum": ["not_sure", "expired", "nothing_known", None]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "candidates": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "entry": {"type": "string"},
                        "version": {"type": "string"},
                        "question": {"type": "string"},
                        "score": {"type": "number"},
                    },
                },
            },
        },
    },
    chinese={
        **CHINESE,
        "question": "问题",
        "top1": "首位正确率",
        "mrr": "平均倒数排名",
        "f1": "F1",
        "out of scope recall": "超范围问题识别率",
        OTHERS: "其他阈值在这些问题上的结果；所用的阈值由训练问题确定。",
        ANSWERS_NOTHING: "什么都不回答：留出的问题达不到目标正确率；请增加问法，或降低 target_precision。",
        "Surest wrong answers": "最有把握的错误回答",
        "Questions whose best entry is not the right one, the surest first.": "最佳条目不正确的问题，按把握从大到小。",
        "right entry": "正确条目",
        "best entry": "最佳条目",
        "score": "得分",
        "answered": "已回答",
        "yes": "是",
        "no": "否",
    },
)
