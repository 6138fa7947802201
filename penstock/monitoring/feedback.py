"""Feedback: what customers say of the answers they got, and which of their corrections may train models.

Knows stored answers, dataset labels and consent; knows nothing of training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.core.hashing import canonical_json
from penstock.datasets.versions import get_version
from penstock.identity.customers import consenting_customers, get_customer
from penstock.monitoring.tables import feedback, feedback_use
from penstock.monitoring.uses import record_uses
from penstock.serving.usage_log import find_answer
from penstock.storage import counters
from penstock.storage.engine import Transaction

RATINGS = (-1, 1, 2, 3, 4, 5)  # thumbs (-1, 1) or stars (1 to 5): a product's page should offer one of them
MAX_TRUTH_CHARS = 2_000
MAX_COMMENT_CHARS = 2_000


@dataclass(frozen=True)
class Feedback:
    """A customer's word on output `index` of one answer. new_label: the correction names a label the data lack.

    superseded: the customer said something newer on the same output. used_in: the newest dataset version (id) with
    a row made from it, or None.
    """

    id: str
    customer: str
    product: str
    request_id: str
    index: int
    rating: int | None
    correction: str | None
    comment: str
    new_label: bool
    superseded: bool
    created_at: datetime
    used_in: str | None = None


@dataclass(frozen=True)
class Correction:
    """A correction that may be trained on. input: what was asked, as it was sent; truth: what should be answered."""

    feedback_id: str
    customer: str
    input: Any
    truth: str

    @property
    def origin(self) -> str:
        return f"feedback:{self.feedback_id}"


@dataclass(frozen=True)
class Unusable:
    """A correction that may not be trained on now, and why."""

    feedback_id: str
    customer: str
    reason: str


def record(
    tx: Transaction,
    *,
    customer: str,
    request_id: str,
    index: int,
    rating: int | None = None,
    correction: str | None = None,
    comment: str = "",
    check: Callable[[str, Any, str], object] = lambda product, input, correction: None,
) -> Feedback:
    """Keep what a customer says of output `index` of its own request. Saying the same again changes nothing.

    check(product, input, correction): raises BadInput for a correction that is none of that product's answers.
    What is left out keeps what was said before; a newer rating, correction or comment replaces the older, which
    stays as superseded. Raises NotFound for a request that is unknown or another's, BadInput for the rest.
    """
    _check(request_id, index, rating, correction, comment)
    answer = find_answer(tx, customer, request_id)
    if answer is None:
        raise NotFound(
            f"no answer to request {request_id!r}", where="id", hint="answers are kept for a limited time; check the id"
        )
    if not 0 <= index < len(answer.inputs):
        last = len(answer.inputs) - 1
        raise BadInput(f"there is no output {index}", where="index", hint=f"this answer has outputs 0 to {last}")
    number = counters.take(tx, "feedback")  # holds the lock: two words on one output cannot both be the current one
    before = _current(tx, customer, request_id, index)
    if before is not None:
        rating = before.rating if rating is None else rating
        correction = before.correction if correction is None else correction
        comment = comment.strip() or before.comment
    label = None if correction is None else correction.strip()
    if label is not None:
        check(answer.product, answer.inputs[index], label)
    said = Feedback(
        id=tx.new_id("fb"),
        customer=customer,
        product=answer.product,
        request_id=request_id,
        index=index,
        rating=rating,
        correction=label,
        comment=comment.strip(),
        new_label=label is not None and _is_new(tx, answer.product, label),
        superseded=False,
        created_at=tx.now,
    )
    if before is not None:
        if (before.rating, before.correction, before.comment) == (said.rating, said.correction, said.comment):
            return before
        tx.execute(sa.update(feedback).where(feedback.c.id == before.id).values(superseded=True))
    consented = label is not None and get_customer(tx, customer).training_consent
    kept = canonical_json(answer.inputs[index]).decode() if consented else None
    row = {name: value for name, value in vars(said).items() if name != "used_in"}
    tx.execute(sa.insert(feedback), {**row, "organisation": tx.organisation, "number": number, "input": kept})
    return said


def list_feedback(tx: Transaction, product: str | None = None) -> list[Feedback]:
    """All feedback, newest first, superseded too."""
    query = _rows(tx).order_by(feedback.c.number.desc())
    if product is not None:
        query = query.where(feedback.c.product == product)
    used = _uses(tx)
    return [replace(_feedback(row), used_in=used.get(row["id"])) for row in tx.all(query)]


def usable_corrections(tx: Transaction, product: str) -> list[Correction]:
    """The current corrections of customers who consent now, oldest first."""
    return [found for found in _judged(tx, product) if isinstance(found, Correction)]


def unusable_corrections(tx: Transaction, product: str) -> list[Unusable]:
    """The current corrections that may not be trained on, and why, oldest first."""
    return [found for found in _judged(tx, product) if isinstance(found, Unusable)]


def mark_used(tx: Transaction, ids: Sequence[str], dataset_version: str) -> None:
    """Record that rows made from these pieces of feedback are in a dataset version. Again changes nothing."""
    record_uses(tx, feedback, feedback_use, ids, dataset_version)


def _judged(tx: Transaction, product: str) -> list[Correction | Unusable]:
    query = (
        _rows(tx)
        .where(feedback.c.product == product, feedback.c.correction.is_not(None), feedback.c.superseded.is_(False))
        .order_by(feedback.c.number)
    )
    consenting = consenting_customers(tx)
    return [_judge(tx, row, consenting) for row in tx.all(query)]


def _judge(tx: Transaction, row: sa.RowMapping, consenting: frozenset[str]) -> Correction | Unusable:
    if row["customer"] not in consenting:
        return Unusable(row["id"], row["customer"], "the customer has not consented to training on its data")
    kept = row["input"]
    if kept is None:  # consent came after the feedback: the stored answer may still be there
        answer = find_answer(tx, row["customer"], row["request_id"])
        if answer is None:
            return Unusable(row["id"], row["customer"], "the input is no longer kept")
        return Correction(row["id"], row["customer"], answer.inputs[row["index"]], row["correction"])
    return Correction(row["id"], row["customer"], json.loads(kept), row["correction"])


def _check(request_id: object, index: object, rating: object, correction: object, comment: object) -> None:
    # the values come from a JSON body, so their types are checked too
    if not isinstance(request_id, str) or not request_id:
        raise BadInput("give the request's id", where="id", hint='it is the "id" of the answer')
    if not isinstance(index, int) or isinstance(index, bool):
        raise BadInput(f"{index!r} is not an index", where="index", hint="0 is the first output")
    if rating is not None and (type(rating) is not int or rating not in RATINGS):
        raise BadInput(f"{rating!r} is not a rating", where="rating", hint="use -1 or 1, or 1 to 5")
    if correction is not None and not (isinstance(correction, str) and 0 < len(correction.strip()) <= MAX_TRUTH_CHARS):
        hint = f"1 to {MAX_TRUTH_CHARS:,} characters: what should have been answered"
        raise BadInput("the correction must be text", where="correction", hint=hint)
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT_CHARS:
        raise BadInput(f"the comment must be text of at most {MAX_COMMENT_CHARS:,} characters", where="comment")
    if rating is None and correction is None and not comment.strip():
        raise BadInput("nothing was said", hint='give "rating", "correction" or "comment"')


def _is_new(tx: Transaction, product: str, label: str) -> bool:
    try:
        report = get_version(tx, product, None).report
    except NotFound:  # a product without data here: there is nothing to compare with
        return False
    known = {count.label for count in report.classes}
    return bool(known) and label not in known


def _current(tx: Transaction, customer: str, request_id: str, index: int) -> Feedback | None:
    row = tx.first(
        _rows(tx).where(
            feedback.c.customer == customer,
            feedback.c.request_id == request_id,
            feedback.c.index == index,
            feedback.c.superseded.is_(False),
        )
    )
    return None if row is None else _feedback(row)


def _rows(tx: Transaction) -> sa.Select[Any]:
    return sa.select(feedback).where(feedback.c.organisation == tx.organisation)


def _uses(tx: Transaction) -> dict[str, str]:
    query = sa.select(feedback_use).where(feedback_use.c.organisation == tx.organisation)
    return {row["feedback"]: row["dataset_version"] for row in tx.all(query.order_by(feedback_use.c.used_at))}


def _feedback(row: sa.RowMapping) -> Feedback:
    return Feedback(**{name: row[name] for name in Feedback.__dataclass_fields__ if name != "used_in"})
