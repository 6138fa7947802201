"""Opinion monitoring kept going: answers folded, shifts detected, alerts delivered. The office calls it every minute.

Documents themselves come through the gateway, as any customer's: see opinion_push.py.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from penstock.core.clock import period_of
from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import get_customer, list_customers
from penstock.loader import Loader
from penstock.models.artifact import read_artifact
from penstock.registry import releases
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.tasks.opinion import alerts, mail, mentions, outbox, webhooks
from penstock.tasks.opinion.alerts import Alert, Live
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.mentions import Stream
from penstock.tasks.opinion.model.detector import follow
from penstock.tasks.opinion.model.options import Options
from penstock.tasks.opinion.model.series import PER_DAY
from penstock.tasks.opinion.model.watching import FILE, KIND, Watch, read_watch
from penstock.tasks.opinion.outbox import Delivery, Sent
from penstock.tasks.opinion.report import Month, gather
from penstock.tasks.opinion.task import NAME, TASK
from penstock.workspace.loader import product_of

PAGE_DOCUMENTS = 1_000
SERIES_BUCKETS = 10_000  # 27 years of days, a year of hours: what is shown at most


@dataclass(frozen=True)
class Round:
    """What one round did for a product. events: usage events folded."""

    product: str
    events: int
    alerts: int
    sent: Sent


def run_once(house: House) -> list[Round]:
    """One round for every opinion product: fold, detect, deliver. Again at once it does nothing.

    A product that cannot be tended is logged and does not hold up the others.
    """
    done = []
    for product in opinion_products(house):
        try:
            done.append(_round(house, product))
        except Exception:
            logging.getLogger(__name__).exception("opinion monitoring of %s", product)
    return done


def run_product_once(house: House, product: str) -> Round:
    """One round for one product, and its old texts forgotten."""
    done = _round(house, product)
    forget_texts(house, product)
    return done


def tidy(house: House) -> None:
    """For every opinion product keep the documents of all answers, and forget old texts: each hour, and always before
    answers are forgotten. It reads through all documents."""
    for product in opinion_products(house):
        fold(house, product)
        forget_texts(house, product)


def fold(house: House, product: str) -> int:
    """Keep the documents of all answers not folded yet, a page a transaction; answers how many events were read.

    Answers that are no longer kept are logged: their documents are in no series and no report.
    """
    zone, total, missing = options_of(house, product).timezone, 0, 0
    while True:
        with house.store.transaction() as tx:
            read = mentions.fold(tx, product, zone)
        total, missing = total + read.events, missing + read.missing
        if read.events < mentions.PAGE_EVENTS:
            break
    if missing:
        told = "%s: %d of %d answers were no longer kept when their documents were to be counted"
        logging.getLogger(__name__).warning(told, product, missing, total)
    return total


def detect(house: House, product: str) -> list[Alert]:
    """Look along the streams that changed, each read apart and written shortly; answers the new alerts.

    A stream that cannot be looked at is logged, stays marked, and does not hold up the others.
    """
    options, new = options_of(house, product), []
    with house.store.read() as tx:
        live = live_of(tx, house, product)
        if live is None:
            return []
        changed = alerts.to_look_at(tx, product, live.watch)
    for stream in changed:
        try:
            with house.store.read() as tx:
                found = alerts.look(tx, stream, live)
            with house.store.transaction() as tx:
                new += alerts.record(tx, found, live, options)
        except Exception:
            logging.getLogger(__name__).exception("%s: looking at the documents of %s", product, stream.customer)
    return new


def forget_texts(house: House, product: str) -> int:
    """Forget texts after `text_days`, some thousand a transaction: see mentions.old_texts. Answers how many went."""
    keep = timedelta(days=options_of(house, product).text_days)
    with house.store.read() as tx:
        found = mentions.old_texts(tx, product, keep)
    return sum(_forget(house, stream, before) for stream, before in found)


def deliver(house: House, product: str) -> Sent:
    """Send what the outbox holds for a product. A copy with a clock of its own keeps it."""
    if house.rehearsal:
        return Sent()
    options = options_of(house, product)
    by_target = {outbox.mail_target(one): one for one in options.mail}
    secret = webhook_secret(house, product)
    clock, locale = house.store.clock, house.workspace.company.locale

    def send(one: Delivery) -> None:
        if one.channel == "webhook":
            webhooks.post(one, secret=secret, now=clock.now(), private=options.allow_private_webhooks)
        elif one.target in by_target:
            settings = by_target[one.target]
            mail.send(one, settings, locale=locale, now=clock.now(), environment=os.environ)
        else:
            raise BadInput("these receivers are no longer in penstock.toml", where=one.target)

    return outbox.deliver(house.store, product, send)


def webhook_secret(house: House, product: str) -> bytes:
    """What signs a product's webhooks; see webhooks.signing_secret for the form that receivers take."""
    return house.secret(f"opinion-webhook-{product}")


def opinion_products(house: House) -> list[str]:
    """The products of this task, in the order of the workspace file."""
    return [name for name, product in house.workspace.products.items() if product.task == NAME]


def options_of(house: House, product: str) -> Options:
    """A product's options. Raises NotFound for an unknown one, BadInput for one of another task."""
    found = product_of(house.workspace, product)
    if found.task != NAME:
        known = ", ".join(opinion_products(house)) or "none"
        raise BadInput(f"{product} is a product of {found.task}", hint=f"products of {NAME}: {known}")
    return Options(**found.options)


def live_of(tx: Transaction, house: House, product: str) -> Live | None:
    """The live release of a product, and which entities each of its releases watched; None when nothing is live."""
    live = releases.live(tx, product)
    if live is None:
        return None
    known = {one.id: _watch(house, one.artifact) for one in releases.list_releases(tx, product)}
    present = known[live.id]
    if present is None:
        return None  # what is live was made when the product had another task
    return Live(live.id, present, {id: frozenset(watch.entities) for id, watch in known.items() if watch is not None})


def record_directly(house: House, product: str, customer: str, documents: Sequence[Document]) -> int:
    """Answer documents with the live release and keep them, without gateway and bill: for tests and benchmarks.

    Answers how many were new.
    """
    zone, new = options_of(house, product).timezone, 0
    with house.store.read() as tx:
        live = releases.live(tx, product)
    if live is None:
        raise _not_live(product)
    model = Loader(house.blobs).load(live.artifact)
    for start in range(0, len(documents), PAGE_DOCUMENTS):
        page = documents[start : start + PAGE_DOCUMENTS]
        outputs = [TASK.render(model, one, row) for one, row in zip(page, model.predict(page), strict=True)]
        kept = [mentions.answered_as(one, live.id, out) for one, out in zip(page, outputs, strict=True)]
        with house.store.transaction() as tx:
            new += mentions.keep(tx, product, customer, kept, zone)
    return new


def customer_id(house: House, reference: str | None) -> str | None:
    """The id of a customer by name, e-mail or id; None stays None. Raises NotFound."""
    if reference is None:
        return None
    with house.store.read() as tx:
        return get_customer(tx, reference).id


def series_rows(house: House, product: str, *, customer: str | None, entity: str | None) -> list[dict[str, Any]]:
    """A row per customer, entity and bucket that has mentions, the newest last, with what was expected.

    Of each stream the newest SERIES_BUCKETS.
    """
    options_of(house, product)
    rows: list[dict[str, Any]] = []
    with house.store.read() as tx:
        names = {one.id: one.name for one in list_customers(tx)}
        live = live_of(tx, house, product)
        if live is None:
            raise _not_live(product)
        for stream in mentions.streams(tx, product):
            if customer in (None, stream.customer):
                rows += _rows(tx, stream, live, entity, names.get(stream.customer, stream.customer))
    return rows


def report(house: House, product: str, month: str, customer: str | None) -> Month:
    """What a product's documents of a month said, for one customer or for all."""
    options_of(house, product)
    company = house.workspace.company
    period = period_of(month, options_of(house, product).timezone)
    before = (period.start - timedelta(days=1)).strftime("%Y-%m")
    with house.store.read() as tx:
        found = [one for one in mentions.streams(tx, product) if customer in (None, one.customer)]
        live = live_of(tx, house, product)
        if live is None:
            raise _not_live(product)
        return gather(
            tx,
            product=product,
            title=house.workspace.products[product].title or product,
            company=company.name,
            customer=customer,
            streams=found,
            watch=live.watch,
            period=period,
            before=period_of(before, options_of(house, product).timezone),
        )


def _round(house: House, product: str) -> Round:
    events = fold(house, product)
    new = detect(house, product)
    return Round(product, events, len(new), deliver(house, product))


def _forget(house: House, stream: Stream, before: datetime) -> int:
    gone = 0
    while True:
        with house.store.transaction() as tx:
            page = mentions.forget_texts(tx, stream, before)
        gone += page
        if page == 0:
            return gone


def _rows(tx: Transaction, stream: Stream, live: Live, entity: str | None, customer: str) -> list[dict[str, Any]]:
    most = timedelta(days=SERIES_BUCKETS / PER_DAY[live.watch.detector.bucket])
    found = mentions.series(tx, stream, live.watch, max(stream.first, stream.last - most), stream.last)
    volume = follow(live.watch.detector, found)[0]
    rows = []
    for place, name in enumerate(found.entities):
        if entity not in (None, name):
            continue
        for at in range(found.length):
            if found.volume[place, at]:
                rows.append(
                    {
                        "customer": customer,
                        "entity": name,
                        "from": found.start(at),
                        "mentions": int(found.volume[place, at]),
                        "expected": round(float(volume.expected[place, at]), 2),
                        "negative": int(found.negative[place, at]),
                        "positive": int(found.positive[place, at]),
                    }
                )
    return rows


def _watch(house: House, artifact: str) -> Watch | None:
    """Only the entities and the detector: the sentiment model is not needed here. None: it is of another task."""
    found = read_artifact(house.blobs, artifact)
    if found.kind != KIND:
        return None
    return read_watch(found.read(FILE), f"artifact {artifact[:12]}…")


def _not_live(product: str) -> NotFound:
    return NotFound(f"{product} has no live release", hint=f"penstock train {product}; penstock release {product}")


def alert_rows(found: Sequence[Alert], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A table row per alert."""
    return [
        {
            "alert": one.id,
            "entity": one.entity,
            "kind": one.kind,
            "since": one.onset,
            "until": one.last,
            "seen": one.observed,
            "expected": round(one.expected, 1),
            "state": "muted" if one.muted and one.state == "open" else one.state,
            "customer": names.get(one.customer, one.customer),
            "documents": len(one.documents),
        }
        for one in found
    ]
