"""What users did with recommendations: which of the items in an answer were clicked or bought, and by whom.

Knows stored answers and consent; knows nothing of training.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import consenting_customers, get_customer
from penstock.metering.usage_log import Answer, find_answer
from penstock.monitoring.event_tables import feedback_event, feedback_event_use
from penstock.monitoring.uses import record_uses
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sealed import open_row, opened, seal_rows

EVENTS = ("click", "buy")


@dataclass(frozen=True)
class Event:
    """A customer's word that `item` of output `index` was clicked or bought. user: whom the input named, kept only
    under consent."""

    id: str
    customer: str
    product: str
    request_id: str
    index: int
    kind: str
    item: str
    user: str | None
    created_at: datetime


def record_event(tx: Transaction, *, customer: str, request_id: str, index: int, kind: str, item: str) -> Event:
    """Keep what a user did with an item of output `index` of the customer's own request. Again changes nothing.

    Raises NotFound for a request that is unknown or another's, BadInput for an item that the output did not hold.
    """
    _check(request_id, index, kind, item)
    answer = find_answer(tx, customer, request_id)
    if answer is None:
        hint = "answers are kept for a limited time; check the id"
        raise NotFound(f"no answer to request {request_id!r}", where="id", hint=hint)
    if not 0 <= index < len(answer.inputs):
        hint = f"this answer has outputs 0 to {len(answer.inputs) - 1}"
        raise BadInput(f"there is no output {index}", where="index", hint=hint)
    if item not in (shown := _items_of(answer, index)):
        listed = ", ".join(shown[:10]) or "no items"
        raise BadInput(f"{item[:80]!r} is not in output {index}", where="item", hint=f"it holds {listed}")
    number = counters.take(tx, "feedback_event")  # holds the lock: the same event twice at once is one
    before = _find(tx, customer, request_id, index, kind, item)
    if before is not None:
        return before
    consented = get_customer(tx, customer).training_consent
    made = Event(
        id=tx.new_id("ev"),
        customer=customer,
        product=answer.product,
        request_id=request_id,
        index=index,
        kind=kind,
        item=item,
        user=_user_of(answer, index) if consented else None,
        created_at=tx.now,
    )
    whole = {**vars(made), "organisation": tx.organisation, "number": number}
    tx.execute(sa.insert(feedback_event), seal_rows(tx, feedback_event, [whole]))
    return made


def list_events(tx: Transaction, product: str | None = None) -> list[Event]:
    """All events, newest first."""
    query = _mine(tx).order_by(feedback_event.c.number.desc())
    if product is not None:
        query = query.where(feedback_event.c.product == product)
    return [_event(row) for row in opened(tx, feedback_event, query)]


def event_rows(tx: Transaction, product: str, ids: Collection[str] | None = None) -> list[dict[str, Any]]:
    """The events of customers who consent now and that name a user, oldest first, as interactions for training.

    ids: only these. Origin "feedback:<id>"; the weight of a click and of a purchase is the product's to say. user: the
    customer's own name, which another customer may use too: training data must keep them apart (see pseudonym in
    datasets/interactions/preparing.py).
    """
    query = _mine(tx).where(feedback_event.c.product == product).order_by(feedback_event.c.number)
    consenting = consenting_customers(tx)
    rows = []
    for event in map(_event, opened(tx, feedback_event, query)):
        if event.customer not in consenting or (ids is not None and event.id not in ids):
            continue
        user = event.user
        if user is None:  # consent came after the event: the stored answer may still be there
            answer = find_answer(tx, event.customer, event.request_id)
            user = None if answer is None else _user_of(answer, event.index)
        if user is not None:
            rows.append(_row(event, user))
    return rows


def mark_events_used(tx: Transaction, ids: Sequence[str], dataset_version: str) -> None:
    """Record that rows made from these events are in a dataset version. Again changes nothing."""
    record_uses(tx, feedback_event, feedback_event_use, ids, dataset_version)


def _row(event: Event, user: str) -> dict[str, Any]:
    return {
        "kind": "interaction",
        "user": user,
        "item": event.item,
        "time": int(event.created_at.timestamp()),
        "event": event.kind,
        "origin": f"feedback:{event.id}",
        "customer": event.customer,
    }


def _check(request_id: object, index: object, kind: object, item: object) -> None:
    # the values come from a JSON body, so their types are checked too
    if not isinstance(request_id, str) or not request_id:
        raise BadInput("give the request's id", where="id", hint='it is the "id" of the answer')
    if not isinstance(index, int) or isinstance(index, bool):
        raise BadInput(f"{index!r} is not an index", where="index", hint="0 is the first output")
    if kind not in EVENTS:
        raise BadInput(f"{kind!r} is not an event", where="event", hint=f"use one of: {', '.join(EVENTS)}")
    if not isinstance(item, str) or not item:
        raise BadInput("name the item", where="item", hint="one of the items in the output")


def _items_of(answer: Answer, index: int) -> list[str]:
    """The items of an output, in its order. Raises BadInput when the product recommends nothing."""
    output = json.loads(answer.body)["outputs"][index]
    items = output.get("items") if isinstance(output, dict) else None
    if not isinstance(items, list) or not all(isinstance(one, dict) and "item" in one for one in items):
        hint = "only recommendations are clicked or bought; send a rating or a correction"
        raise BadInput(f"{answer.product} recommends no items", where="event", hint=hint)
    return [str(one["item"]) for one in items]


def _user_of(answer: Answer, index: int) -> str | None:
    asked = answer.inputs[index]
    user = asked.get("user") if isinstance(asked, dict) else None
    return None if user is None else str(user).strip()


def _find(tx: Transaction, customer: str, request_id: str, index: int, kind: str, item: str) -> Event | None:
    table = feedback_event.c
    same = (table.customer == customer, table.request_id == request_id, table.index == index)
    row = tx.first(_mine(tx).where(*same, table.kind == kind, table.item == item))
    return None if row is None else _event(open_row(tx, feedback_event, row))


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(feedback_event).where(feedback_event.c.organisation == tx.organisation)


def _event(row: Mapping[str, Any]) -> Event:
    return Event(**{name: row[name] for name in Event.__dataclass_fields__})
