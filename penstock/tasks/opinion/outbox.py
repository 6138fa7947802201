"""The outbox of alerts: written in the alert's own transaction, sent afterwards, again with backoff until it arrives.

At least once: a receiver knows a repetition by its webhook-id. How it is sent, webhooks.py and mail.py know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import PenstockError
from penstock.storage.engine import Store, Transaction
from penstock.storage.sealed import open_row, seal_rows
from penstock.storage.sql import insert_new
from penstock.tasks.opinion.model.options import Mail, Options
from penstock.tasks.opinion.tables import opinion_delivery

BACKOFF = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440, 1440)
)  # 3 days in all, as Standard Webhooks advises
LEASE = timedelta(minutes=2)
"""While one process sends, no other does; longer than any attempt may take."""
_ERROR_CHARS = 300


@dataclass(frozen=True)
class Delivery:
    """One alert for one receiver. attempts: those made so far."""

    id: str
    alert: str
    product: str
    channel: str
    target: str
    body: Mapping[str, Any]
    state: str
    attempts: int
    next_at: datetime | None
    delivered_at: datetime | None
    error: str


@dataclass(frozen=True)
class Sent:
    """What a round of sending came to."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0


Send = Callable[[Delivery], None]
"""Sends one; raises when it did not arrive."""


def enqueue(
    tx: Transaction, alert: str, product: str, customer: str, content: Mapping[str, Any], options: Options
) -> int:
    """Write what is to be sent of an alert, one row a receiver; answers how many are new."""
    hooks = [("webhook", hook.url) for hook in options.webhooks if hook.customer in ("", customer)]
    mails = [("mail", mail_target(mail)) for mail in options.mail if mail.customer in ("", customer)]
    body = {"type": "opinion.alert", "timestamp": _instant(tx.now), "data": dict(content)}
    rows = [
        {
            "id": tx.new_id("msg"),
            "alert": alert,
            "product": product,
            "channel": channel,
            "target": target,
            "body": body,
            "state": "pending",
            "attempts": 0,
            "next_at": tx.now,
            "delivered_at": None,
            "error": "",
        }
        for channel, target in dict.fromkeys([*hooks, *mails])
    ]
    return insert_new(tx, opinion_delivery, seal_rows(tx, opinion_delivery, rows))


def mail_target(mail: Mail) -> str:
    """How a mail's receivers are named in the outbox."""
    return ", ".join(mail.to)


def deliver(store: Store, product: str, send: Send) -> Sent:
    """Send what is due of a product, one by one; what fails is tried again later."""
    delivered = failed = given_up = 0
    while (one := _claim(store, product)) is not None:
        try:
            send(one)
        except Exception as error:  # whatever it is, it counts: else it would be tried for ever, before all others
            if not isinstance(error, PenstockError):
                logging.getLogger(__name__).exception("%s: delivery %s", product, one.id)
            last = one.attempts >= len(BACKOFF)
            _note(store, one, str(error) or type(error).__name__, given_up=last)
            given_up, failed = given_up + last, failed + (not last)
        else:
            _note(store, one, None)
            delivered += 1
    return Sent(delivered, failed, given_up)


def deliveries(tx: Transaction, *, alert: str | None = None, product: str | None = None) -> list[Delivery]:
    """What was sent or waits, by id."""
    c = opinion_delivery.c
    query = sa.select(opinion_delivery).where(c.organisation == tx.organisation)
    if alert is not None:
        query = query.where(c.alert == alert)
    if product is not None:
        query = query.where(c.product == product)
    return [_delivery(tx, row) for row in tx.all(query.order_by(c.id))]


def _claim(store: Store, product: str) -> Delivery | None:
    """A delivery that is due, put off by LEASE: if this process dies, it is due again then."""
    c = opinion_delivery.c
    with store.transaction() as tx:
        while True:
            mine = c.organisation == tx.organisation, c.product == product, c.state == "pending"
            due = sa.select(opinion_delivery).where(*mine, c.next_at <= tx.now).order_by(c.next_at, c.id).limit(1)
            row = tx.first(due)
            if row is None:
                return None
            taken = sa.update(opinion_delivery).where(c.id == row["id"], *mine, c.next_at == row["next_at"])
            if tx.first(taken.values(next_at=tx.now + LEASE).returning(c.id)) is not None:
                return _delivery(tx, row)


def _note(store: Store, one: Delivery, error: str | None, *, given_up: bool = False) -> None:
    with store.transaction() as tx:
        values: dict[str, Any] = {"attempts": one.attempts + 1}
        if error is None:
            values |= {"state": "delivered", "delivered_at": tx.now, "next_at": None, "error": ""}
        elif given_up:
            values |= {"state": "given_up", "next_at": None, "error": error[:_ERROR_CHARS]}
        else:
            values |= {"next_at": tx.now + BACKOFF[one.attempts], "error": error[:_ERROR_CHARS]}
        c = opinion_delivery.c
        tx.execute(sa.update(opinion_delivery).where(c.organisation == tx.organisation, c.id == one.id).values(values))


def _delivery(tx: Transaction, sealed: sa.RowMapping) -> Delivery:
    row = open_row(tx, opinion_delivery, sealed)
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
