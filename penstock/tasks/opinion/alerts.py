"""Alerts: made of detection's episodes, one at a time for a kind of change of an entity; acknowledged, muted, resolved.

What was found is a function of the stream alone, so looking again changes nothing. Sending is the outbox's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.storage.engine import Transaction
from penstock.storage.sealed import open_row, opened, seal_rows
from penstock.storage.sql import insert_new
from penstock.tasks.opinion import mentions
from penstock.tasks.opinion.mentions import Stream
from penstock.tasks.opinion.model.detector import (
    BASELINE_DAYS,
    GUARD_DAYS,
    LONGEST_DAYS,
    WARM_UP_DAYS,
    Episode,
    episodes,
    follow,
)
from penstock.tasks.opinion.model.options import Options
from penstock.tasks.opinion.model.series import Counts, Series, bucket_number, bucket_start
from penstock.tasks.opinion.model.watching import Watch
from penstock.tasks.opinion.outbox import enqueue
from penstock.tasks.opinion.tables import opinion_alert, opinion_mute

STATES = ("open", "acknowledged", "resolved")
_TONE = {"volume": None, "negative": -1, "positive": 1}


@dataclass(frozen=True)
class Alert:
    """A change that was found. onset: where it seems to have begun; first, last: buckets in which the alarm stood.

    observed, expected: mentions of the kind since the onset. documents: those that caused it. muted: nobody was told.
    """

    id: str
    product: str
    customer: str
    entity: str
    kind: str
    state: str
    bucket: str
    onset: datetime
    first: datetime
    last: datetime
    observed: int
    expected: float
    statistic: float
    threshold: float
    documents: tuple[Mapping[str, Any], ...]
    release: str
    muted: bool
    found_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return {name: _plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Live:
    """The live release of a product, and what each of its releases watched."""

    release: str
    watch: Watch
    watched: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Found:
    """What detection saw of a stream as it was read: alerts that are new, or known and now told anew."""

    stream: Stream
    alerts: tuple[Alert, ...]


def to_look_at(tx: Transaction, product: str, watch: Watch) -> list[Stream]:
    """The streams that have new documents, and those where an alert stands and a bucket has ended since the last look.

    Of the others nothing can have changed: no alarm rises from the passing of time alone.
    """
    c, detector = opinion_alert.c, watch.detector
    query = sa.select(c.customer).distinct()
    query = query.where(c.organisation == tx.organisation, c.product == product, c.state != "resolved")
    standing = {row["customer"] for row in tx.all(query)}
    present = bucket_number(tx.now, detector.bucket, detector.timezone)
    due = [
        customer
        for customer, mark in mentions.marks(tx, product).items()
        if mark.changed_from is not None
        or mark.looked_at is None
        or (customer in standing and bucket_number(mark.looked_at, detector.bucket, detector.timezone) < present)
    ]
    return mentions.streams(tx, product, due) if due else []


def look(tx: Transaction, stream: Stream, live: Live) -> Found:
    """Detect along what is new of a stream. It writes nothing: a read will do, and it takes its time."""
    since, first, last = _span(tx, stream, live.watch)
    series = mentions.series(tx, stream, live.watch, first, last)
    starts = _starts(tx, stream, live, series)
    detector = live.watch.detector
    earliest = bucket_number(since, detector.bucket, detector.timezone) - series.first - 1
    found = [
        _alert_of(tx, stream, live, series, episode)
        for track in follow(detector, series, starts)
        for episode in episodes(track)
        if episode.last >= earliest
    ]
    return Found(stream, tuple(found))


def record(tx: Transaction, found: Found, live: Live, options: Options) -> list[Alert]:
    """Bring a stream's alerts up to date; answers those that are new.

    If documents were added since it was read, nothing is written and the stream stays marked: the next look sees all.
    """
    stream = found.stream
    if not mentions.unchanged(tx, stream):
        return []
    earliest = min((alert.onset for alert in found.alerts), default=tx.now)
    known = list_alerts(tx, stream.product, customer=stream.customer, start=earliest)
    fresh = []
    for alert in found.alerts:
        same = next((one for one in known if _same(one, alert)), None)
        if same is None:
            fresh.append(alert)
        else:
            _update(tx, same, alert)
    _resolve(tx, stream, live.watch)  # before the new ones: only one of a kind may stand
    new = [alert for alert in fresh if _insert(tx, alert)]
    for alert in new:
        if not alert.muted and alert.last >= tx.now - timedelta(days=options.notify_days):
            enqueue(tx, alert.id, alert.product, alert.customer, alert.to_json(), options)
    mentions.looked(tx, stream)
    return new


def acknowledge(tx: Transaction, id: str, by: str) -> Alert:
    """Someone has seen it: it stays, is not sent again, and resolves by itself. Again changes nothing."""
    alert = get_alert(tx, id)
    if alert.state == "resolved":
        raise Conflict("the alert is over already", where=id)
    if alert.state == "open":
        seen = {"state": "acknowledged", "acknowledged_at": tx.now, "acknowledged_by": by}
        tx.execute(sa.update(opinion_alert).where(*_is(tx, id)).values(seen))
    return get_alert(tx, id)


def resolve(tx: Transaction, id: str) -> Alert:
    """It is over for whoever watches, whatever the series say: the next one may come."""
    get_alert(tx, id)
    standing = opinion_alert.c.state != "resolved"
    tx.execute(sa.update(opinion_alert).where(*_is(tx, id), standing).values(state="resolved", resolved_at=tx.now))
    return get_alert(tx, id)


def mute(tx: Transaction, *, product: str, entity: str, until: datetime, customer: str = "", reason: str = "") -> None:
    """Nobody is told of this entity's changes until then; they are recorded. customer "": whoever's documents.

    A date that is past ends the mute.
    """
    if until.tzinfo is None:
        raise BadInput("the end of a mute needs a zone", where="until")
    key = {"product": product, "customer": customer, "entity": entity}
    insert_new(tx, opinion_mute, [{**key, "until": until, "reason": reason, "created_at": tx.now}])
    c = opinion_mute.c
    mine = [c[name] == value for name, value in key.items()]
    tx.execute(
        sa.update(opinion_mute).where(c.organisation == tx.organisation, *mine).values(until=until, reason=reason)
    )


def get_alert(tx: Transaction, id: str) -> Alert:
    """The alert of that id. Raises NotFound."""
    row = tx.first(sa.select(opinion_alert).where(*_is(tx, id)))
    if row is None:
        raise NotFound(f"no alert {id!r}", hint="penstock opinion alerts PRODUCT")
    return _alert(open_row(tx, opinion_alert, row))


def list_alerts(
    tx: Transaction,
    product: str,
    *,
    customer: str | None = None,
    state: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Alert]:
    """A product's alerts, the newest first; those that stood at some time in [start, end)."""
    c = opinion_alert.c
    query = sa.select(opinion_alert).where(c.organisation == tx.organisation, c.product == product)
    if customer is not None:
        query = query.where(c.customer == customer)
    if state is not None:
        query = query.where(c.state == state)
    if end is not None:
        query = query.where(c.onset < end)
    if start is not None:
        query = query.where(c.last >= start)
    query = query.order_by(c.first.desc(), c.entity, c.kind)
    return [_alert(row) for row in opened(tx, opinion_alert, query)]


def _span(tx: Transaction, stream: Stream, watch: Watch) -> tuple[datetime, datetime, datetime]:
    """From when alarms count, and what to read: from the weeks that teach the present to now.

    Nothing rises after the last document; alarms that stand then are over LONGEST_DAYS later. However old a document
    is, no more than WINDOW_DAYS before that are looked at: a single one must not make every look long.
    """
    detector = watch.detector
    days = {name: table[detector.bucket] for name, table in _DAYS.items()}
    last = min(tx.now, stream.last + timedelta(days=days["longest"] + 1))
    since = min(stream.changed_from or tx.now, stream.looked_at or stream.first)
    since = min(last, max(since, last - timedelta(days=WINDOW_DAYS[detector.bucket])))
    teaching = timedelta(days=days["baseline"] + days["guard"] + days["warm"] + days["longest"])
    return since, min(last, max(stream.first, since - teaching)), last


WINDOW_DAYS = {"hour": 92, "day": 1_098}
"""How far back changes are looked for: three months of hours, three years of days. Either takes half a second."""
_DAYS = {"baseline": BASELINE_DAYS, "guard": GUARD_DAYS, "warm": WARM_UP_DAYS, "longest": LONGEST_DAYS}


def _starts(tx: Transaction, stream: Stream, live: Live, series: Series) -> Counts:
    """From which bucket each entity is watched: that of the window's first document whose release knew it.

    What came before the window was learned long ago, or is a single old document: neither says that there were none
    since. The window's own first weeks teach again.
    """
    firsts = mentions.first_by_release(tx, stream, series.start(0))
    starts = []
    for entity in series.entities:
        moments = [moment for release, moment in firsts.items() if entity in live.watched.get(release, frozenset())]
        moment = min(moments, default=stream.first)
        starts.append(max(0, bucket_number(moment, series.bucket, series.timezone) - series.first))
    return np.array(starts, dtype=np.int64)


def _alert_of(tx: Transaction, stream: Stream, live: Live, series: Series, episode: Episode) -> Alert:
    entity = series.entities[episode.entity]
    onset, first, last = (series.start(place) for place in (episode.onset, episode.first, episode.last))
    raised = series.start(episode.first + 1)  # what came later did not raise it
    quotes = mentions.quotes(tx, stream, entity, onset, raised, _TONE[episode.kind])
    standing = last >= _last_whole(tx, live.watch)  # the present bucket is not over: it may yet rise
    return Alert(
        id=tx.new_id("alert"),
        product=stream.product,
        customer=stream.customer,
        entity=entity,
        kind=episode.kind,
        state="open" if standing else "resolved",
        bucket=series.bucket,
        onset=onset,
        first=first,
        last=last,
        observed=episode.observed,
        expected=round(episode.expected, 3),
        statistic=round(episode.statistic, 3),
        threshold=live.watch.detector.limits[episode.kind],
        documents=tuple(quote.to_json() for quote in quotes),
        release=live.release,
        muted=_muted(tx, stream, entity),
        found_at=tx.now,
        acknowledged_at=None,
        acknowledged_by="",
        resolved_at=None if standing else tx.now,
    )


def _same(known: Alert, found: Alert) -> bool:
    """Late documents may move an episode's ends: where two overlap, they are one."""
    alike = (known.entity, known.kind) == (found.entity, found.kind)
    return alike and known.onset <= found.last and found.onset <= known.last


def _update(tx: Transaction, known: Alert, found: Alert) -> None:
    """The same alert as it is now. One that someone closed stays closed."""
    values: dict[str, Any] = {
        "last": max(known.last, found.last),
        "observed": found.observed,
        "expected": found.expected,
        "statistic": max(known.statistic, found.statistic),
    }
    if found.documents:
        values["documents"] = list(found.documents)
    if found.state == "resolved" and known.state != "resolved":
        values |= {"state": "resolved", "resolved_at": tx.now}
    sealed = seal_rows(tx, opinion_alert, [{"id": known.id, **values}])[0]
    tx.execute(sa.update(opinion_alert).where(*_is(tx, known.id)).values(sealed))


def _insert(tx: Transaction, alert: Alert) -> bool:
    """Whether it is new: another process may have found it meanwhile, or one of its kind still stands."""
    row = {**vars(alert), "documents": list(alert.documents)}
    return insert_new(tx, opinion_alert, seal_rows(tx, opinion_alert, [row])) == 1


def _resolve(tx: Transaction, stream: Stream, watch: Watch) -> None:
    """Close the alerts whose alarm did not stand in the last whole bucket."""
    c = opinion_alert.c
    tx.execute(
        sa.update(opinion_alert)
        .where(
            c.organisation == tx.organisation,
            c.product == stream.product,
            c.customer == stream.customer,
            c.state != "resolved",
            c.last < _last_whole(tx, watch),
        )
        .values(state="resolved", resolved_at=tx.now)
    )


def _last_whole(tx: Transaction, watch: Watch) -> datetime:
    """When the bucket before the present one began."""
    detector = watch.detector
    number = bucket_number(tx.now, detector.bucket, detector.timezone) - 1
    return bucket_start(number, detector.bucket, detector.timezone)


def _muted(tx: Transaction, stream: Stream, entity: str) -> bool:
    c = opinion_mute.c
    query = sa.select(c.until).where(
        c.organisation == tx.organisation,
        c.product == stream.product,
        c.customer.in_(["", stream.customer]),
        c.entity == entity,
        c.until > tx.now,
    )
    return tx.first(query) is not None


def _is(tx: Transaction, id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return opinion_alert.c.organisation == tx.organisation, opinion_alert.c.id == id


def _alert(row: Mapping[str, Any]) -> Alert:
    values = {name: row[name] for name in Alert.__dataclass_fields__}
    return Alert(**{**values, "documents": tuple(values["documents"])})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value
