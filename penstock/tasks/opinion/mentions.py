"""Answered documents as rows, once each, and the series they make. Folded from the usage log behind the gateway's back.

It knows what was answered, not how; alerts are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from penstock.core.clock import zone_of
from penstock.metering import usage_log
from penstock.metering.usage_log import Answer
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.schema import sequence
from penstock.storage.sealed import opened, seal_rows
from penstock.storage.sql import insert_new
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.model.series import MAX_BUCKETS, Series, bucket_number, bucket_start, series_of
from penstock.tasks.opinion.model.watching import Watch
from penstock.tasks.opinion.tables import opinion_document, opinion_mention, opinion_stream, opinion_watermark

PAGE_EVENTS = 100  # of up to 256 documents each: what one transaction holds
KEPT_CHARS = 500
_ROWS = 500  # of one insert: SQLite takes 32,766 values
_FORGOTTEN = 5_000  # texts of one transaction
_TONES = {"negative": -1, "neutral": 0, "positive": 1}


@dataclass(frozen=True)
class Answered:
    """A document and what was answered of it. tone: -1, 0 or 1."""

    document: Document
    release: str
    label: str
    score: float
    tone: int
    entities: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """What detection has seen of a stream. changed_from: the earliest document that it has not; None: it has seen all.

    looked_at: when it last looked because something could have changed.
    """

    changed_from: datetime | None
    looked_at: datetime | None


@dataclass(frozen=True)
class Stream:
    """A customer's documents of one product. first, last: times of the earliest and the newest document.

    changed_from, looked_at: see Mark. version: grows whenever documents are added.
    """

    product: str
    customer: str
    first: datetime
    last: datetime
    changed_from: datetime | None
    looked_at: datetime | None
    version: int


@dataclass(frozen=True)
class Folded:
    """events: usage events read. missing: of these, those whose answer is no longer kept."""

    events: int
    missing: int


@dataclass(frozen=True)
class Quote:
    """A document as alerts and reports show it. text is None once it is forgotten."""

    document: str
    time: datetime
    text: str | None
    label: str
    score: float
    source: str
    url: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def fold(tx: Transaction, product: str, zone: str) -> Folded:
    """Keep the documents of the product's next answers; events 0: none is left.

    Again, or by two processes at once, it changes nothing: documents are kept once per customer and id.
    """
    insert_new(tx, opinion_watermark, [{"product": product, "seq": 0}])
    mine = opinion_watermark.c.organisation == tx.organisation, opinion_watermark.c.product == product
    # the lock: two that fold different pages at once would wait for each other's streams
    after = int(tx.scalar(sa.select(opinion_watermark.c.seq).where(*mine).with_for_update()))
    visible = usage_log.watermark(tx)  # before the page: what comes in between is left for the next time
    page = usage_log.events(tx, product=product, after_seq=after, up_to_seq=visible, limit=PAGE_EVENTS)
    missing = 0
    for event in page:
        answer = usage_log.find_answer(tx, event.source, event.id)
        if answer is None:
            missing += 1
        else:
            keep(tx, product, event.customer, list(answered(answer)), zone)
    reached = page[-1].seq if len(page) == PAGE_EVENTS else visible
    if reached > after:
        tx.execute(sa.update(opinion_watermark).where(*mine, opinion_watermark.c.seq < reached).values(seq=reached))
    return Folded(len(page), missing)


def answered(answer: Answer) -> Iterator[Answered]:
    """The documents of a stored answer. What is no answer of this task (the product had another before) is left out."""
    body = msgspec.json.decode(answer.body)
    for values, output in zip(answer.inputs, body.get("outputs", ()), strict=False):
        if not isinstance(values, Mapping) or not isinstance(output, Mapping) or "document" not in output:
            continue
        time = datetime.fromisoformat(str(values["time"]).strip()).astimezone(UTC)
        document = Document(
            text=values["text"],
            time=time,
            id=output["document"],
            source=values.get("source", "").strip(),
            url=values.get("url", "").strip(),
        )
        yield answered_as(document, body["release"], output)


def answered_as(document: Document, release: str, output: Mapping[str, Any]) -> Answered:
    """A document with the task's output for it."""
    told = output["sentiment"]
    names = tuple(dict.fromkeys(entity["name"] for entity in output["entities"]))
    return Answered(document, release, told["label"], float(told["score"]), _TONES[told["tone"]], names)


def keep(tx: Transaction, product: str, customer: str, answers: Sequence[Answered], zone: str) -> int:
    """Keep documents not kept before, with their mentions; answers how many were new.

    Of two with the same id the first counts, also when the second says something else.
    """
    first: dict[str, Answered] = {}
    for one in answers:
        first.setdefault(one.document.id, one)
    for known in kept_ids(tx, product, customer, list(first)):
        del first[known]
    stream = {"product": product, "customer": customer}
    fresh = list(first.values())
    documents = seal_rows(tx, opinion_document, [{**stream, **_document_row(one)} for one in fresh])
    local = zone_of(zone)
    mentions = [
        {
            **stream,
            "document": one.document.id,
            "entity": entity,
            "day": one.document.time.astimezone(local).date().isoformat(),
            "hour": one.document.time.replace(minute=0, second=0, microsecond=0),
            "tone": one.tone,
        }
        for one in fresh
        for entity in one.entities
    ]
    for table, rows in ((opinion_document, documents), (opinion_mention, mentions)):
        for start in range(0, len(rows), _ROWS):
            insert_new(tx, table, rows[start : start + _ROWS])
    if fresh:
        _mark_changed(tx, stream, min(one.document.time for one in fresh))
    return len(fresh)


def marks(tx: Transaction, product: str) -> dict[str, Mark]:
    """What detection has seen, by customer; it reads no documents."""
    c = opinion_stream.c
    query = sa.select(opinion_stream).where(c.organisation == tx.organisation, c.product == product)
    return {row["customer"]: Mark(row["changed_from"], row["looked_at"]) for row in tx.all(query)}


def streams(tx: Transaction, product: str, customers: Sequence[str] | None = None) -> list[Stream]:
    """Every customer's stream of a product, by customer. customers: only theirs; None: all."""
    c = opinion_document.c
    spans = (
        sa.select(c.customer, sa.func.min(c.time).label("a"), sa.func.max(c.time).label("b"))
        .where(c.organisation == tx.organisation, c.product == product)
        .group_by(c.customer)
    )
    if customers is not None:
        spans = spans.where(c.customer.in_(customers))
    seen, found = marks(tx, product), []
    for row in tx.all(spans.order_by(c.customer)):
        customer = row["customer"]
        mark = seen.get(customer, Mark(None, None))
        version = _version(tx, product, customer)
        found.append(Stream(product, customer, row["a"], row["b"], mark.changed_from, mark.looked_at, version))
    return found


def unchanged(tx: Transaction, stream: Stream) -> bool:
    """Whether nothing was added since `stream` was read; until the transaction ends, nothing will be."""
    return counters.take(tx, _counter(stream.product, stream.customer), 0) - 1 == stream.version


def looked(tx: Transaction, stream: Stream) -> None:
    """Detection has seen all of the stream, but what is ahead of the clock. Only for one that is `unchanged`."""
    c = opinion_stream.c
    mine = c.organisation == tx.organisation, c.product == stream.product, c.customer == stream.customer
    ahead = stream.last if stream.last > tx.now else None
    tx.execute(sa.update(opinion_stream).where(*mine).values(changed_from=ahead, looked_at=tx.now))


def series(tx: Transaction, stream: Stream, watch: Watch, start: datetime, end: datetime) -> Series:
    """The series of the watched entities from the bucket of `start` to that of `end`, both inside; of a longer span
    than any series may have, its newest part."""
    detector, mention = watch.detector, opinion_mention.c
    first, last = (bucket_number(moment, detector.bucket, detector.timezone) for moment in (start, end))
    first = max(first, last - MAX_BUCKETS + 1)
    column = mention.day if detector.bucket == "day" else mention.hour
    spans = [_stamp(number, watch) for number in (first, last)]
    query = (
        sa.select(mention.entity, column.label("bucket"), mention.tone, sa.func.count().label("many"))
        .where(*_in_stream(tx, opinion_mention, stream), column >= spans[0], column <= spans[1])
        .group_by(mention.entity, column, mention.tone)
    )
    places = {name: place for place, name in enumerate(detector.entities)}
    rows = [
        (places[row["entity"]], _number(row["bucket"]), row["tone"], row["many"])
        for row in tx.all(query)
        if row["entity"] in places
    ]
    return series_of(
        detector.entities, rows, bucket=detector.bucket, timezone=detector.timezone, first=first, last=last
    )


def first_by_release(tx: Transaction, stream: Stream, start: datetime) -> dict[str, datetime]:
    """The earliest document of the stream, from `start` on, that each release answered."""
    document = opinion_document.c
    query = (
        sa.select(document.release, sa.func.min(document.time).label("first"))
        .where(*_in_stream(tx, opinion_document, stream), document.time >= start)
        .group_by(document.release)
    )
    return {row["release"]: row["first"] for row in tx.all(query)}


def quotes(
    tx: Transaction, stream: Stream, entity: str, start: datetime, end: datetime, tone: int | None, limit: int = 10
) -> list[Quote]:
    """Documents that name an entity in [start, end), no text twice: of a tone the surest first, of any the newest."""
    document, mention = opinion_document.c, opinion_mention.c
    same = sa.and_(*(document[name] == mention[name] for name in ("organisation", "product", "customer", "document")))
    query = (
        sa.select(opinion_document)
        .select_from(opinion_mention.join(opinion_document, same))
        .where(
            *_in_stream(tx, opinion_mention, stream),
            mention.entity == entity,
            document.time >= start,
            document.time < end,
        )
    )
    if tone is None:
        query = query.order_by(document.time.desc(), document.document)
    else:
        query = query.where(document.tone == tone).order_by(document.score.desc(), document.time, document.document)
    found: dict[str, Quote] = {}
    for row in opened(tx, opinion_document, query.limit(5 * limit)):
        quote = Quote(**{name: row[name] for name in Quote.__dataclass_fields__})
        found.setdefault(quote.text or quote.document, quote)
    return list(found.values())[:limit]


def old_texts(tx: Transaction, product: str, keep: timedelta) -> list[tuple[Stream, datetime]]:
    """The streams with texts to forget, and the moment before which: of texts older by `keep` than their stream's
    newest document, and of all once nothing has come for as long. Of a replayed archive the newest days can still be
    quoted."""
    found = []
    for stream in streams(tx, product):
        idle = stream.looked_at is not None and stream.looked_at < tx.now - keep
        before = tx.now if idle else min(tx.now, stream.last) - keep
        if tx.first(sa.select(opinion_document.c.document).where(*_old(tx, stream, before)).limit(1)) is not None:
            found.append((stream, before))
    return found


def forget_texts(tx: Transaction, stream: Stream, before: datetime) -> int:
    """Forget texts of documents before that moment, the next few thousand; counts stay. Answers how many went."""
    c = opinion_document.c
    old = sa.select(c.document).where(*_old(tx, stream, before)).limit(_FORGOTTEN)
    gone = sa.update(opinion_document).where(*_in_stream(tx, opinion_document, stream), c.document.in_(old))
    return len(tx.all(gone.values(text=None).returning(c.document)))


def kept_ids(tx: Transaction, product: str, customer: str, ids: Sequence[str]) -> list[str]:
    """Which of these documents of a customer are kept already."""
    c = opinion_document.c
    found: list[str] = []
    for start in range(0, len(ids), _ROWS):
        query = sa.select(c.document).where(
            c.organisation == tx.organisation,
            c.product == product,
            c.customer == customer,
            c.document.in_(ids[start : start + _ROWS]),
        )
        found += [row["document"] for row in tx.all(query)]
    return found


def _old(tx: Transaction, stream: Stream, before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    c = opinion_document.c
    return *_in_stream(tx, opinion_document, stream), c.time < before, c.text.is_not(None)


def _document_row(one: Answered) -> dict[str, Any]:
    text = one.document.text
    kept = text if len(text) <= KEPT_CHARS else text[: KEPT_CHARS - 1] + "…"
    return {
        "document": one.document.id,
        "time": one.document.time,
        "release": one.release,
        "label": one.label,
        "score": one.score,
        "tone": one.tone,
        "text": kept if one.entities else None,
        "source": one.document.source,
        "url": one.document.url,
    }


def _mark_changed(tx: Transaction, stream: Mapping[str, str], earliest: datetime) -> None:
    counters.take(tx, _counter(**stream))  # holds the lock: detection does not say meanwhile that it has seen all
    insert_new(tx, opinion_stream, [{**stream, "changed_from": earliest, "looked_at": None}])
    c = opinion_stream.c
    mine = c.organisation == tx.organisation, c.product == stream["product"], c.customer == stream["customer"]
    later = sa.or_(c.changed_from.is_(None), c.changed_from > earliest)
    tx.execute(sa.update(opinion_stream).where(*mine, later).values(changed_from=earliest))


def _version(tx: Transaction, product: str, customer: str) -> int:
    c = sequence.c
    query = sa.select(c.value).where(c.organisation == tx.organisation, c.name == _counter(product, customer))
    return int(tx.scalar(query) or 0)


def _counter(product: str, customer: str) -> str:
    return f"opinion:{product}:{customer}"


def _in_stream(tx: Transaction, table: sa.Table, stream: Stream) -> tuple[sa.ColumnElement[bool], ...]:
    c = table.c
    return c.organisation == tx.organisation, c.product == stream.product, c.customer == stream.customer


def _stamp(number: int, watch: Watch) -> Any:
    if watch.detector.bucket == "day":
        return date.fromordinal(number).isoformat()
    return bucket_start(number, "hour", watch.detector.timezone)


def _number(stamp: str | datetime) -> int:
    """Days are kept as text of the local calendar, hours as instants."""
    return date.fromisoformat(stamp).toordinal() if isinstance(stamp, str) else bucket_number(stamp, "hour", "UTC")
