"""What a month's documents said of the watched entities, as records: the monthly report before it is drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

import sqlalchemy as sa

from penstock.core.clock import Period, zone_of
from penstock.storage.engine import Transaction
from penstock.tasks.opinion import mentions
from penstock.tasks.opinion.alerts import Alert, list_alerts
from penstock.tasks.opinion.mentions import Quote, Stream
from penstock.tasks.opinion.model.watching import Watch
from penstock.tasks.opinion.tables import opinion_document, opinion_mention

QUOTES = 3  # of either tone and each entity


@dataclass(frozen=True)
class EntityMonth:
    """An entity's month. by_day: mentions of each day of the month. quotes: the surest negative, then positive ones."""

    name: str
    before: int
    negative: int
    neutral: int
    positive: int
    by_day: tuple[int, ...]
    quotes: tuple[tuple[str, Quote], ...]

    @property
    def mentions(self) -> int:
        return self.negative + self.neutral + self.positive


@dataclass(frozen=True)
class Month:
    """customer: its id, None for all. documents: read in the month; naming: those that named a watched entity.

    entities: the most mentioned first.
    """

    product: str
    title: str
    company: str
    customer: str | None
    period: Period
    timezone: str
    documents: int
    naming: int
    days: tuple[date, ...]
    entities: tuple[EntityMonth, ...]
    alerts: tuple[Alert, ...]


def gather(
    tx: Transaction,
    *,
    product: str,
    title: str,
    company: str,
    customer: str | None,
    streams: Sequence[Stream],
    watch: Watch,
    period: Period,
    before: Period,
) -> Month:
    """Read a month. streams: those of the customers it is about."""
    zone = watch.detector.timezone
    days = _days(period, zone)
    customers = [stream.customer for stream in streams]
    counts = _counts(tx, product, customers, days[0], days[-1])
    earlier = _days(before, zone)
    former = _counts(tx, product, customers, earlier[0], earlier[-1])
    entities = []
    for name in watch.detector.entities:
        mine = counts[name]
        tones = [sum(many for (_, tone), many in mine.items() if tone == wanted) for wanted in (-1, 0, 1)]
        by_day = tuple(sum(mine.get((day.isoformat(), tone), 0) for tone in (-1, 0, 1)) for day in days)
        quotes = _quotes(tx, streams, name, period) if any(tones) else ()
        entities.append(EntityMonth(name, sum(former[name].values()), tones[0], tones[1], tones[2], by_day, quotes))
    c = opinion_document.c
    inside = (
        c.organisation == tx.organisation,
        c.product == product,
        c.customer.in_(customers),
        c.time >= period.start,
        c.time < period.end,
    )
    naming = sa.exists().where(
        *(opinion_mention.c[key] == c[key] for key in ("organisation", "product", "customer", "document"))
    )
    total = sa.select(sa.func.count()).select_from(opinion_document).where(*inside)
    found = list_alerts(tx, product, customer=customer, start=period.start, end=period.end)
    return Month(
        product=product,
        title=title,
        company=company,
        customer=customer,
        period=period,
        timezone=zone,
        documents=int(tx.scalar(total)),
        naming=int(tx.scalar(total.where(naming))),
        days=days,
        entities=tuple(sorted(entities, key=lambda one: (-one.mentions, one.name))),
        alerts=tuple(sorted(found, key=lambda one: (one.first, one.entity, one.kind))),
    )


def _days(period: Period, zone: str) -> tuple[date, ...]:
    local = zone_of(zone)
    first, end = period.start.astimezone(local).date(), period.end.astimezone(local).date()
    return tuple(first + timedelta(days=number) for number in range((end - first).days))


def _counts(
    tx: Transaction, product: str, customers: Sequence[str], first: date, last: date
) -> dict[str, dict[tuple[str, int], int]]:
    """Mentions by entity, then by (day, tone)."""
    c = opinion_mention.c
    query = (
        sa.select(c.entity, c.day, c.tone, sa.func.count().label("many"))
        .where(
            c.organisation == tx.organisation,
            c.product == product,
            c.customer.in_(customers),
            c.day >= first.isoformat(),
            c.day <= last.isoformat(),
        )
        .group_by(c.entity, c.day, c.tone)
    )
    found: dict[str, dict[tuple[str, int], int]] = defaultdict(dict)
    for row in tx.all(query):
        found[row["entity"]][row["day"], row["tone"]] = row["many"]
    return found


def _quotes(tx: Transaction, streams: Sequence[Stream], entity: str, period: Period) -> tuple[tuple[str, Quote], ...]:
    chosen: list[tuple[str, Quote]] = []
    for name, tone in (("negative", -1), ("positive", 1)):
        some = [
            quote
            for stream in streams
            for quote in mentions.quotes(tx, stream, entity, period.start, period.end, tone, QUOTES)
        ]
        some.sort(key=lambda quote: (-quote.score, quote.time.astimezone(UTC), quote.document))
        chosen += [(name, quote) for quote in some[:QUOTES]]
    return tuple(chosen)
