"""`opinion-monitoring`: which entities a document names and how it speaks; series, shifts and alerts are made of the
answers elsewhere. It knows the wire and the data, neither customers nor alerts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import BadInput, Broken
from penstock.datasets.report import MAX_EXAMPLES, ClassCount, CleaningReport, Example, Finding
from penstock.datasets.rows import Prepared
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model
from penstock.runtime.house import House
from penstock.task import Chore, Office, Task
from penstock.tasks.opinion.customers import CUSTOMERS
from penstock.tasks.opinion.data import Document, Read, clean_documents, csv_records, document_of, read_documents
from penstock.tasks.opinion.measure import (
    Plan,
    by_entity,
    by_kind,
    delay,
    detection_rate,
    false_alarms,
    random_alarms,
    replay,
)
from penstock.tasks.opinion.model import KINDS
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.options import Options
from penstock.tasks.opinion.model.series import Bucket, Series, bucket_number, series_of
from penstock.tasks.opinion.model.watching import OpinionModel
from penstock.tasks.opinion.wire import INPUT_SCHEMA, OUTPUT_SCHEMA
from penstock.workspace.records import Product

if TYPE_CHECKING:
    from penstock.console.guard import Route
    from penstock.training.records import Training

RUN_EVERY_S = 15.0  # how long a new document may wait to be counted
NAME = "opinion-monitoring"
LEAST_TRAIN_DAYS = {"hour": 14, "day": 35}
CONTEXT_DAYS = {"hour": 15, "day": 35}  # before the test: the warm-up, and a baseline worth the name
LEAST_TEST_DAYS = {"hour": 3, "day": 21}
MOST_LOSS = 0.05  # of the detection rate; 240 planted shifts tell no finer
RARE_MENTIONS = 5


@dataclass(frozen=True)
class History:
    """Dated documents by time, and what is watched in them. start: of what counts (documents before only warm up)."""

    documents: tuple[Document, ...]
    entities: Mapping[str, tuple[str, ...]]
    bucket: Bucket
    timezone: str
    start: datetime
    plan: Plan


def prepare(
    product: Product, folder: Path, extra: Sequence[Mapping[str, Any]] = (), clock: Clock | None = None
) -> Prepared:
    """Read the history, drop empty and repeated documents, and split it by time: the newest part tests.

    The test begins with the weeks before it, which only warm the detector up: they are train's documents too. What is
    watched is the first row of either part, so that other entities make another dataset version. extra: none are
    made (sentiments are corrected in the sentiment product).
    """
    options = Options(**product.options)
    now = (clock or SystemClock()).now()
    entities = entities_of(options, folder)
    most_chars = product.cleaning.max_chars
    train, findings = clean_documents(_read(product, product.data, folder, options, now), "train", most_chars)
    if product.test is not None:
        test, more = clean_documents(_read(product, product.test, folder, options, now), "test", most_chars)
        findings += more
    else:
        cut = train[0].document.time + (train[-1].document.time - train[0].document.time) * (
            1 - product.cleaning.test_share
        )
        train, test = [r for r in train if r.document.time < cut], [r for r in train if r.document.time >= cut]
    start = _check_spans(train, test, options, product)
    warming = [read for read in train if read.document.time >= start - timedelta(days=CONTEXT_DAYS[options.bucket])]
    counts = [_mentions(Matcher(entities), rows) for rows in (train, test)]
    dropped = [sum(f.dropped for f in findings if f.part == part) for part in ("train", "test")]
    report = CleaningReport(
        read_train=len(train) + dropped[0],
        read_test=len(test) + dropped[1],
        read_feedback=0,
        rows_train=len(train),
        rows_test=len(test),
        classes=tuple(ClassCount(name, counts[0][i], counts[1][i]) for i, name in enumerate(entities)),
        findings=(*findings, *_rare(entities, counts)),
    )
    setting = {"entities": {name: list(aliases) for name, aliases in entities.items()}, **_plan(options, start)}
    return Prepared(_rows(setting, train), _rows(setting, [*warming, *test]), report)


def entities_of(options: Options, folder: Path) -> dict[str, tuple[str, ...]]:
    """The entities by name, sorted. Raises BadInput for a file that lists none, or aliases that two share."""
    if isinstance(options.entities, str):
        found: dict[str, list[str]] = {}
        path = folder / options.entities
        records = csv_records(path)
        where, header = next(records)
        if [name.strip() for name in header[:2]] != ["name", "alias"]:
            raise BadInput("the columns must be name,alias", where=where, hint="one alias a row; a name may repeat")
        for where, record in records:
            if len(record) < 2 or not record[0].strip():
                raise BadInput("the row needs a name and an alias", where=where)
            found.setdefault(record[0].strip(), []).append(record[1].strip())
        if not found:
            raise BadInput("lists no entities", where=path.name)
        entities = {name: tuple(alias for alias in found[name] if alias) for name in sorted(found)}
    else:
        entities = {name: tuple(options.entities[name]) for name in sorted(options.entities)}
    Matcher(entities)
    return entities


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> History:
    """Documents by time, with the setting that the first row holds."""
    if not rows or "setting" not in rows[0]:
        raise Broken("the dataset version does not begin with what is watched", where=product.data)
    setting = rows[0]["setting"]
    return History(
        documents=tuple(
            Document(row["text"], datetime.fromisoformat(row["time"]), row["id"], row["source"], row["url"])
            for row in rows[1:]
        ),
        entities={name: tuple(setting["entities"][name]) for name in sorted(setting["entities"])},
        bucket=setting["bucket"],
        timezone=setting["timezone"],
        start=datetime.fromisoformat(setting["start"]),
        plan=Plan(**setting["planted"]),
    )


def inputs(history: History) -> Sequence[Document]:
    return history.documents


def series_from(model: OpinionModel, history: History, answers: Floats) -> Series:
    """The series that answers (n, labels) to the history's documents make."""
    tones = np.array([model.watch.tones[label] for label in model.sentiment.labels])
    told = tones[answers[:, : model.sentiments].argmax(axis=1)]
    buckets = [bucket_number(document.time, history.bucket, history.timezone) for document in history.documents]
    flags = np.argwhere(answers[:, model.sentiments :] > 0.5)
    mentions = [(int(entity), buckets[row], int(told[row]), 1) for row, entity in flags]
    return series_of(
        model.matcher.names,
        mentions,
        bucket=history.bucket,
        timezone=history.timezone,
        first=min(buckets),
        last=max(buckets),
    )


def measure(model: Model, history: History, answers: Floats, seed: int) -> Measured:
    """Shifts planted into the held-out stream (240: volume, negative and positive), found or not; alarms without any.

    Scores pair models by planted shift: 1 where it was found. The shifts are the same for every model.
    """
    if not isinstance(model, OpinionModel):
        raise Broken("this is no opinion model", where=model.kind)
    series = series_from(model, history, answers)
    start = bucket_number(history.start, history.bucket, history.timezone) - series.first
    result = replay(model.watch.detector, series, start, history.plan, seed)
    return Measured(
        quality={
            "detection_rate": detection_rate(result.found),
            "delay": delay(result),
            "false_alarms_per_month": false_alarms(result),
        },
        scores=tuple(float(one.delay is not None) for one in result.found),
        most_loss=MOST_LOSS,
        sections=(by_kind(result), by_entity(result, series, start)),
        trivial=(random_alarms(result),),
    )


def parse(inputs: list[Any], model: Model, clock: Clock | None = None) -> list[Document]:
    """The wire's documents. Raises BadInput for the first that is none, and for ids that repeat within the request."""
    now = (clock or SystemClock()).now()
    documents: list[Document] = []
    places: dict[str, int] = {}
    for index, value in enumerate(inputs):
        document = document_of(value, where=f"inputs[{index}]", now=now)
        first = places.setdefault(document.id, index)
        if first != index:
            raise BadInput(
                f"the document is also inputs[{first}]",
                where=f"inputs[{index}].id",
                hint="send each document once; it would be billed twice and counted once",
            )
        documents.append(document)
    return documents


def render(model: Model, document: Document, scores: Floats) -> dict[str, Any]:
    """The entities that the document names, with the aliases found, and its sentiment: that of the whole document."""
    if not isinstance(model, OpinionModel):
        raise Broken("this is no opinion model", where=model.kind)
    best = int(scores[: model.sentiments].argmax())
    label = model.sentiment.labels[best]
    tone = ("negative", "neutral", "positive")[model.watch.tones[label] + 1]
    found = [
        {"name": model.matcher.names[match.entity], "aliases": list(match.aliases), "sentiment": label}
        for match in model.matcher.find(document.text)
    ]
    sentiment = {"label": label, "score": round(float(scores[best]), 6), "tone": tone}
    return {"document": document.id, "entities": found, "sentiment": sentiment}


def probes(model: Model) -> list[Document]:
    """An entity, none, Chinese, and a long text."""
    if not isinstance(model, OpinionModel):
        raise Broken("this is no opinion model", where=model.kind)
    name = next(iter(model.watch.entities))
    texts = (f"{name} answered within a day.", "Rain in the north.", "他们的客服很慢。", f"{name} is late again. " * 40)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return [Document(text, moment, f"probe-{place}") for place, text in enumerate(texts)]


def correction(input: Any, text: str) -> Mapping[str, Any]:
    raise BadInput(
        "answers of opinion monitoring are not corrected one by one",
        where="correction",
        hint="send the text with its right label to the sentiment product, or change the aliases; or send a rating",
    )


def _read(product: Product, name: str, folder: Path, options: Options, now: datetime) -> list[Read]:
    return read_documents(folder / name, product.columns, now=now, zone=options.timezone)


def _check_spans(train: list[Read], test: list[Read], options: Options, product: Product) -> datetime:
    """When the test begins. Raises BadInput when there is too little history to learn from or to test on."""
    if not train or not test:
        raise BadInput("the history is too short to be split", where=product.data)
    if product.test is not None and test[0].document.time <= train[-1].document.time:
        raise BadInput(
            f"the test begins on {test[0].document.time:%Y-%m-%d}, before the history ends",
            where=product.test,
            hint="a stream is tested on its future: move the cut, or give one file",
        )
    needs = {"history": LEAST_TRAIN_DAYS[options.bucket], "test": LEAST_TEST_DAYS[options.bucket]}
    needs["test"] = max(needs["test"], options.planted.buckets // (24 if options.bucket == "hour" else 1) + 1)
    for what, rows in (("history", train), ("test", test)):
        days = (rows[-1].document.time - rows[0].document.time).total_seconds() / 86_400
        if days < needs[what]:
            message = f"the {what} covers {days:.0f} days; at least {needs[what]} are needed"
            raise BadInput(message, where=product.data, hint="give a longer history, or another cleaning.test_share")
    return test[0].document.time


def _mentions(matcher: Matcher, rows: Sequence[Read]) -> Counter[int]:
    return Counter(match.entity for read in rows for match in matcher.find(read.document.text))


def _rare(entities: Mapping[str, Any], counts: Sequence[Counter[int]]) -> list[Finding]:
    rare = [(i, name) for i, name in enumerate(entities) if counts[0][i] < RARE_MENTIONS]
    if not rare:
        return []
    examples = tuple(Example("entities", name, str(counts[0][i])) for i, name in rare[:MAX_EXAMPLES])
    return [Finding("rare-entity", "train", len(rare), 0, "kept", examples)]


def _plan(options: Options, start: datetime) -> dict[str, Any]:
    planted = options.planted.model_dump()
    return {
        "bucket": options.bucket,
        "timezone": options.timezone,
        "start": start.isoformat(),
        "planted": planted,
    }


def _rows(setting: Mapping[str, Any], reads: Sequence[Read]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"setting": setting, "origin": "penstock.toml", "customer": None}]
    for read in reads:
        values = {"time": read.document.time.isoformat(), "text": read.document.text, "id": read.document.id}
        rest = {"source": read.document.source, "url": read.document.url, "origin": read.origin, "customer": None}
        rows.append({**values, **rest})
    return rows


SECTION = """\
{test_line}
# columns = {{ text = "headline", time = "date" }}   # if your file names its columns otherwise
# All bounds must hold for the whole confidence interval. false_alarms_per_month: per entity.
gate = {{ detection_rate = ">= 0.40", false_alarms_per_month = "<= 1.0", gross_margin = ">= 0.70" }}
options = {{ sentiment = "sentiment", entities = {{ "Your brand" = ["its alias"] }}, false_alarms_per_month = 0.3 }}
# sentiment names a text-classification product of this workspace: release it first
"""

CHINESE = {
    "detection_rate": "检出率",
    "delay": "检出延迟（时段）",
    "false_alarms_per_month": "每实体每月误报",
    "Planted shifts": "植入的变化",
    "Changes of known size and date were planted into the held-out stream, one entity at a time.": (
        "在留出的文档流中逐个实体植入大小与日期已知的变化。"
    ),
    "Kind": "类型",
    "Size": "大小",
    "Planted": "植入数",
    "Found": "检出",
    "Share found": "检出比例",
    "Median delay (buckets)": "延迟中位数（时段）",
    "Alarms without any": "无植入时的警报",
    "Detection by entity": "各实体的检出情况",
    "Rare entities change unseen: a doubled rate of one mention a week takes months to show.": (
        "极少被提及的实体难以察觉变化：每周一次的提及翻倍也需数月才能显现。"
    ),
    "Entity": "实体",
    "Mentions a bucket": "每时段提及数",
    "volume": "提及量",
    "negative": "负面",
    "positive": "正面",
}


def _run_once(house: House) -> None:
    from penstock.tasks.opinion.stream import run_once

    run_once(house)


def _tidy(house: House) -> None:
    from penstock.tasks.opinion.stream import tidy

    tidy(house)


def _pages() -> Sequence[Route]:
    from penstock.tasks.opinion.pages import ROUTES

    return ROUTES


def _training() -> Training:
    from penstock.tasks.opinion.train import TRAINING

    return TRAINING


TASK = Task(
    name=NAME,
    unit="document",
    ladder=("fixed-threshold.v1", "seasonal-cusum.v1"),
    quality=("detection_rate", "delay", "false_alarms_per_month"),
    trivial=("detection_rate",),
    prepare=prepare,
    split=split,
    inputs=inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=probes,
    input_schema=INPUT_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
    options=Options,
    builds_on=("sentiment",),
    correction=correction,
    example="opinion",
    section=SECTION,
    chinese=CHINESE,
    form="document",
    training=_training,
    kinds=KINDS,
    office=Office(
        chores=(Chore(_run_once, RUN_EVERY_S),),
        before_forgetting=_tidy,
        pages=_pages,
        menu=(("/opinion", "Opinion"),),
        templates="penstock.tasks.opinion",
    ),
    customers=CUSTOMERS,
)
