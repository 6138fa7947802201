"""Feedback for the operator: what was asked, what was answered and what should have been, side by side, with its state.

The command line, the admin interface and the console show these records.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.core.errors import BadInput
from penstock.core.hashing import canonical_json
from penstock.identity.customers import get_customer, list_customers
from penstock.monitoring import review
from penstock.monitoring.feedback import Shown, page_of_feedback
from penstock.monitoring.review import STATES, State, Verdict
from penstock.pipeline.climb.learning import left_out
from penstock.runtime.house import House
from penstock.storage.engine import Transaction
from penstock.workspace.loader import product_of

NOT_KEPT = "not kept"
NO_LABEL = "no label"
MOST_SHOWN = 500
_HEADLINES = ("label", "answer", "decision", "value", "estimate", "sentiment", "reason")
"""Of an output, what stands for it in a table: the first of these that it has."""


@dataclass(frozen=True)
class Said:
    """A piece of feedback as people read it.

    message, answer: JSON values of the wire; None where `kept` is false or, of the answer, where only the message was
    kept. reason: the operator's, or why no row came of it, or why it cannot be trained on now.
    """

    id: str
    created_at: datetime
    product: str
    customer: str
    customer_name: str
    request: str
    index: int
    kept: bool
    message: Any
    answer: Any
    rating: int | None
    correction: str | None
    new_label: bool
    comment: str
    state: State
    reason: str
    used_in: str | None


def said_page(
    house: House,
    tx: Transaction,
    product: str | None = None,
    *,
    customer: str | None = None,
    states: Collection[str] = (),
    limit: int = 50,
    after: str | None = None,
) -> list[Said]:
    """A page, newest first. customer: a name, address or id. after: the last id of the page before. Raises BadInput."""
    for one in states:
        if one not in STATES:
            raise BadInput(f"{one!r} is no state of feedback", where="state", hint=f"use one of {', '.join(STATES)}")
    if not 1 <= limit <= MOST_SHOWN:
        raise BadInput(f"cannot show {limit} at once", where="limit", hint=f"use 1 to {MOST_SHOWN}")
    if product is not None and product not in review.state_counts(tx):
        product_of(house.workspace, product)
    whose = None if customer is None else get_customer(tx, customer).id
    chosen: list[State] = [one for one in STATES if one in states]
    found = page_of_feedback(tx, product=product, customer=whose, states=chosen, limit=limit, after=after)
    names = {one.id: one.name for one in list_customers(tx)}
    why = {id: text for name in {one.said.product for one in found} for id, text in left_out(house, tx, name).items()}
    return [_said(one, names, why) for one in found]


def decide_page(
    tx: Transaction,
    verdict: Verdict,
    *,
    ids: Sequence[str] = (),
    customer: str | None = None,
    product: str | None = None,
    reason: str = "",
) -> list[str]:
    """Accept or reject corrections by id, or all of a customer's that wait; answers the ids. Raises as `decide`, and
    BadInput unless one of the two is given."""
    if bool(ids) == (customer is not None):
        raise BadInput("say which: ids, or a customer", where="ids", hint="the ids, or --all-from CUSTOMER")
    chosen = list(ids)
    if customer is not None:
        chosen = review.undecided_of(tx, get_customer(tx, customer).id, product)
    review.decide(tx, chosen, verdict, reason)
    return chosen


def short(value: Any) -> str:
    """A wire value in a table's cell: the text, the label with its score, or the JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if set(value) == {"question"} or set(value) == {"text"}:
            return str(next(iter(value.values())))
        if isinstance(labels := value.get("labels"), list):
            return ", ".join(f"{one['label']} ({one['score']:.2f})" for one in labels) or NO_LABEL
        for name in _HEADLINES:
            if value.get(name) is not None:
                score = value.get("score")
                return f"{value[name]} ({score:.2f})" if isinstance(score, float) else str(value[name])
        if isinstance(items := value.get("items"), list):
            return ", ".join(str(one.get("item", one)) if isinstance(one, Mapping) else str(one) for one in items)
    return "" if value is None else canonical_json(value).decode()


def corrected(correction: str | None) -> str:
    """A correction as people read it: a list of labels without its JSON."""
    if correction is None or not correction.startswith("["):
        return correction or ""
    try:
        labels = json.loads(correction)
    except (ValueError, RecursionError):
        return correction
    return ", ".join(map(str, labels)) or NO_LABEL if isinstance(labels, list) else correction


def said_rows(found: Sequence[Said]) -> list[dict[str, Any]]:
    """A table row each."""
    return [
        {
            "id": one.id,
            "at": one.created_at,
            "product": one.product,
            "customer": one.customer_name,
            "message": cut(short(one.message)) if one.kept else NOT_KEPT,
            "answer": cut(short(one.answer)) if one.kept and one.answer is not None else NOT_KEPT,
            "correction": corrected(one.correction) + (" (new label)" if one.new_label else ""),
            "rating": one.rating,
            "comment": cut(one.comment),
            "state": one.state.replace("_", " "),
            "reason": one.reason,
        }
        for one in found
    ]


def _said(one: Shown, names: Mapping[str, str], why: Mapping[str, str]) -> Said:
    said, kept = one.said, one.pair is not None
    reason = ""
    if one.review is not None:
        reason = one.review.reason or one.review.no_row or ""
    if not reason and one.state in ("waiting", "accepted"):
        reason = why.get(said.id, "")
    return Said(
        id=said.id,
        created_at=said.created_at,
        product=said.product,
        customer=said.customer,
        customer_name=names.get(said.customer, said.customer),
        request=said.request_id,
        index=said.index,
        kept=kept,
        message=one.pair[0] if one.pair else None,
        answer=one.pair[1] if one.pair else None,
        rating=said.rating,
        correction=said.correction,
        new_label=said.new_label,
        comment=said.comment,
        state=one.state,
        reason=reason,
        used_in=said.used_in,
    )


def cut(text: str, most: int = 120) -> str:
    """The text on one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
