"""The usage log: every metered fact once, numbered without gaps in the order it became visible, for ever.

It knows events and the answers given for them; it knows nothing of HTTP, prices or models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.core.errors import BadInput
from penstock.metering.tables import answer, usage_event
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.schema import sequence
from penstock.storage.sealed import open_row, opened, seal_rows

SEQUENCE = "usage"
CORRECTION = "correction"
MOST_UNITS = 10**12  # of one event: no real request is near it, and millions of them still sum within 64 bits

Identity = tuple[str, str]
"""(source, id): the two parts are never joined into one text."""


@dataclass(frozen=True)
class UsageEvent:
    """`units` of `product` used by `customer` at `time`. (source, id) names it for ever; `seq` is given on append."""

    source: str
    id: str
    customer: str
    product: str
    release: str | None
    key: str | None
    time: datetime
    units: int
    payload_hash: str
    seq: int = 0

    @property
    def identity(self) -> Identity:
        return self.source, self.id


@dataclass(frozen=True)
class Answer:
    """What was asked and the exact bytes that were answered, kept for replays and for feedback."""

    source: str
    id: str
    customer: str
    product: str
    inputs: Any
    body: bytes
    created_at: datetime

    @property
    def identity(self) -> Identity:
        return self.source, self.id


@dataclass(frozen=True)
class Outcome:
    """What became of one event.

    new: it is counted. replay: the same event was counted before; `body` is the stored answer (None when it is
    no longer kept). conflict: the id was used before for something else. `event` is the one in the log.
    """

    kind: Literal["new", "replay", "conflict"]
    event: UsageEvent
    body: bytes | None = None


def append(tx: Transaction, events: Sequence[UsageEvent], answers: Sequence[Answer] = ()) -> list[Outcome]:
    """Write the events not seen before, with their answers; answer one outcome per event, in order.

    Raises BadInput for more than MOST_UNITS; a correction may take away more, to mend what got in before the bound.

    Holds the lock of the sequence until the transaction ends: numbers become visible in order whoever writes,
    and no other writer can add one of these ids between the look and the insert.
    """
    if not events:
        return []
    for event in events:
        _refuse_absurd(event)
    bodies = {kept.identity: kept for kept in reversed(answers)}  # of two under one id, the first is kept
    first = counters.take(tx, SEQUENCE, 0)  # locks the sequence and tells its next number
    known = _stored(tx, {event.identity for event in events})
    outcomes: list[Outcome] = []
    fresh: list[UsageEvent] = []
    for event in events:
        before = known.get(event.identity)
        if before is None:
            numbered = replace(event, seq=first + len(fresh))
            fresh.append(numbered)
            body = bodies[event.identity].body if event.identity in bodies else None
            known[event.identity] = (numbered, body)
            outcomes.append(Outcome("new", numbered, body))
        else:
            outcomes.append(_seen(event, *before))
    if fresh:
        counters.take(tx, SEQUENCE, len(fresh))
        tx.execute(sa.insert(usage_event), [_row(tx, event) for event in fresh])
    kept = [_row(tx, bodies[event.identity]) for event in fresh if event.identity in bodies]
    if kept:
        tx.execute(sa.insert(answer), seal_rows(tx, answer, kept))
    return outcomes


def events(
    tx: Transaction,
    *,
    customer: str | None = None,
    product: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    after_seq: int = 0,
    up_to_seq: int | None = None,
    limit: int = 1000,
) -> list[UsageEvent]:
    """A page of the log in `seq` order: start inclusive, end exclusive, after_seq < seq <= up_to_seq."""
    column = usage_event.c
    query = sa.select(usage_event).where(column.organisation == tx.organisation, column.seq > after_seq)
    for field, value in (("customer", customer), ("product", product)):
        if value is not None:
            query = query.where(column[field] == value)
    if start is not None:
        query = query.where(column.time >= start)
    if end is not None:
        query = query.where(column.time < end)
    if up_to_seq is not None:
        query = query.where(column.seq <= up_to_seq)
    return [_event(row) for row in tx.all(query.order_by(column.seq).limit(limit))]


def watermark(tx: Transaction) -> int:
    """The highest number that is visible; every event up to it is visible too. 0 when the log is empty."""
    found = tx.scalar(
        sa.select(sequence.c.value).where(sequence.c.organisation == tx.organisation, sequence.c.name == SEQUENCE)
    )
    return int(found or 0)


def recall(tx: Transaction, event: UsageEvent) -> Outcome | None:
    """What `append` would say of an event that is already in the log; None when its id is new. Writes nothing."""
    before = _stored(tx, [event.identity]).get(event.identity)
    return _seen(event, *before) if before else None


def find_answer(tx: Transaction, customer: str, id: str) -> Answer | None:
    """The answer that `customer` got under request id `id`, or None when unknown or no longer kept."""
    row = tx.first(
        sa.select(answer).where(
            answer.c.organisation == tx.organisation, answer.c.source == customer, answer.c.id == id
        )
    )
    if row is None:
        return None
    return _answer(open_row(tx, answer, row))


def find_answers(tx: Transaction, identities: Collection[Identity]) -> dict[Identity, Answer]:
    """Those of some answers, each by (customer, request id), that are still kept. For a page of them, not for all."""
    if not identities:
        return {}
    query = sa.select(answer).where(answer.c.organisation == tx.organisation, _among(answer, list(identities)))
    return {one.identity: one for one in map(_answer, opened(tx, answer, query))}


def latest_answers(tx: Transaction, release: str, limit: int) -> list[Answer]:
    """The answers that a release gave last and that are still kept, the newest first."""
    query = (
        sa.select(answer)
        .join(usage_event, _WITH_ANSWER)
        .where(usage_event.c.organisation == tx.organisation, usage_event.c.release == release)
        .order_by(usage_event.c.seq.desc())
        .limit(limit)
    )
    return [_answer(row) for row in opened(tx, answer, query)]


def extent(tx: Transaction) -> tuple[int, int, int]:
    """(the highest number, how many events, their units) of the whole log."""
    column = usage_event.c
    sums = sa.select(sa.func.max(column.seq), sa.func.count(column.seq), sa.func.sum(column.units))
    last, count, units = tuple(tx.execute(sums.where(column.organisation == tx.organisation)).one())
    return int(last or 0), int(count), int(units or 0)


def keys_of(tx: Transaction, identities: Collection[Identity]) -> dict[Identity, str]:
    """The keys that some requests were made with, each by (customer, request id). For a page of them, not for all."""
    if not identities:
        return {}
    query = sa.select(usage_event.c.source, usage_event.c.id, usage_event.c.key).where(
        usage_event.c.organisation == tx.organisation, _among(usage_event, list(identities))
    )
    return {(row["source"], row["id"]): row["key"] for row in tx.all(query) if row["key"]}


def forget_answers(tx: Transaction, *, before: datetime, limit: int = 1000) -> int:
    """Delete up to `limit` answers made before `before`; the events stay. Answers how many went."""
    old = (
        sa.select(answer.c.source, answer.c.id)
        .where(answer.c.organisation == tx.organisation, answer.c.created_at < before)
        .order_by(answer.c.created_at)
        .limit(limit)
    )
    identities = [(row["source"], row["id"]) for row in tx.all(old)]
    if identities:
        tx.execute(sa.delete(answer).where(answer.c.organisation == tx.organisation, _among(answer, identities)))
    return len(identities)


def erase_answers(tx: Transaction, customer: str, limit: int = 500) -> int:
    """Delete up to `limit` of a customer's answers with their inputs, whatever their age; the events stay."""
    mine = (answer.c.organisation == tx.organisation, answer.c.source == customer)
    found = [row["id"] for row in tx.all(sa.select(answer.c.id).where(*mine).order_by(answer.c.id).limit(limit))]
    if found:
        tx.execute(sa.delete(answer).where(*mine, answer.c.id.in_(found)))
    return len(found)


def _refuse_absurd(event: UsageEvent) -> None:
    least = -(2**63) if event.source == CORRECTION else 1
    if not least <= event.units <= MOST_UNITS:
        raise BadInput(
            f"{event.units:,} units of {event.product} cannot be counted as one event",
            where=f"usage event {event.id}",
            hint=f"an event has at most {MOST_UNITS:,} units",
        )


def _seen(event: UsageEvent, stored: UsageEvent, body: bytes | None) -> Outcome:
    same = stored.payload_hash == event.payload_hash and stored.product == event.product
    return Outcome("replay", stored, body) if same else Outcome("conflict", stored)


def _among(table: sa.Table, identities: Sequence[Identity] | sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    return sa.tuple_(table.c.source, table.c.id).in_(identities)


_WITH_ANSWER = sa.and_(
    answer.c.organisation == usage_event.c.organisation,
    answer.c.source == usage_event.c.source,
    answer.c.id == usage_event.c.id,
)
_STORED = (  # built once: it runs before every commit of the writer
    sa.select(usage_event, answer.c.body)
    .select_from(usage_event.outerjoin(answer, _WITH_ANSWER))
    .where(
        usage_event.c.organisation == sa.bindparam("organisation"),
        _among(usage_event, sa.bindparam("identities", expanding=True)),
    )
)


def _stored(tx: Transaction, identities: Iterable[Identity]) -> dict[Identity, tuple[UsageEvent, bytes | None]]:
    rows = tx.execute(_STORED, {"organisation": tx.organisation, "identities": list(identities)}).mappings()
    found = ((_event(row), open_row(tx, answer, row)["body"]) for row in rows)
    return {event.identity: (event, body) for event, body in found}


def _event(row: Mapping[Any, Any]) -> UsageEvent:
    return UsageEvent(**{name: row[name] for name in UsageEvent.__dataclass_fields__})


def _answer(row: Mapping[Any, Any]) -> Answer:
    return Answer(**{name: row[name] for name in Answer.__dataclass_fields__})


def _row(tx: Transaction, record: UsageEvent | Answer) -> dict[str, Any]:
    return {"organisation": tx.organisation, **vars(record)}
