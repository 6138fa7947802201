"""Feedback: what customers say of the answers they got, and which of their corrections may train models.

Knows stored answers, dataset labels and consent; knows nothing of training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa

from penstock.core.errors import BadInput, NotFound
from penstock.core.hashing import canonical_json
from penstock.datasets.versions import get_version
from penstock.identity.customers import consenting_customers, get_customer
from penstock.metering.usage_log import Answer, find_answer, find_answers
from penstock.monitoring.review import Review, State, list_reviews, state_of
from penstock.monitoring.tables import feedback, feedback_use
from penstock.monitoring.uses import record_uses
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sealed import open_row, opened, seal_rows

RATINGS = (-1, 1, 2, 3, 4, 5)  # thumbs (-1, 1) or stars (1 to 5): a product's page should offer one of them
MAX_TRUTH_CHARS = 2_000
MAX_COMMENT_CHARS = 2_000
_SHOWN_LABELS = 20


Check = Callable[[str, Any, str | Sequence[str]], Sequence[str]]
"""(product, input, correction): the labels that the correction names, as the data write them."""


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
class Shown:
    """A piece of feedback with its state, the operator's word on it, and (input, output) that it is about: None where
    the stored answer is forgotten and the customer does not consent to a copy of it."""

    said: Feedback
    state: State
    review: Review | None
    pair: tuple[Any, Any] | None


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
    correction: str | Sequence[str] | None = None,
    comment: str = "",
    check: Check | None = None,
    proposes: Callable[[str], bool] = lambda product: False,
) -> Feedback:
    """Keep what a customer says of output `index` of its own request. Saying the same again changes nothing.

    correction: a text, or a list of labels. check: names none where answers are no labels, and raises BadInput for a
    correction that is none of the product's answers. proposes(product): whether a label that the data lack is kept and
    marked new; otherwise it is BadInput, and names the labels that come near. What is left out keeps what was said
    before; a newer rating, correction or comment replaces the older, which stays as superseded. Raises NotFound for a
    request that is unknown or another's, BadInput for the rest.
    """
    _check(request_id, index, rating, correction, comment)
    answer = find_answer(tx, customer, request_id)
    if answer is None:
        hint = "answers are kept for a limited time; check the id"
        raise NotFound(f"no answer to request {request_id!r}", where="id", hint=hint)
    if not 0 <= index < len(answer.inputs):
        last = len(answer.inputs) - 1
        raise BadInput(f"there is no output {index}", where="index", hint=f"this answer has outputs 0 to {last}")
    number = counters.take(tx, "feedback")  # holds the lock: two words on one output cannot both be the current one
    before = _current(tx, customer, request_id, index)
    if before is not None:
        rating = before.rating if rating is None else rating
        correction = before.correction if correction is None else correction
        comment = comment.strip() or before.comment
    asked = correction.strip() if isinstance(correction, str) else correction
    named = () if asked is None else (check or _as_said)(answer.product, answer.inputs[index], asked)
    label = asked if asked is None or isinstance(asked, str) else listed(asked)
    said = Feedback(
        id=tx.new_id("fb"),
        customer=customer,
        product=answer.product,
        request_id=request_id,
        index=index,
        rating=rating,
        correction=label,
        comment=comment.strip(),
        new_label=_any_unknown(tx, answer.product, named, refuse=not proposes(answer.product)),
        superseded=False,
        created_at=tx.now,
    )
    if before is not None:
        if (before.rating, before.correction, before.comment) == (said.rating, said.correction, said.comment):
            return before
        tx.execute(sa.update(feedback).where(feedback.c.id == before.id).values(superseded=True))
    consented = label is not None and get_customer(tx, customer).training_consent
    row = {name: value for name, value in vars(said).items() if name != "used_in"}
    row |= _copies(answer, index) if consented else {"input": None, "answer": None}
    row |= {"organisation": tx.organisation, "number": number}
    tx.execute(sa.insert(feedback), seal_rows(tx, feedback, [row]))
    return said


def list_feedback(tx: Transaction, product: str | None = None) -> list[Feedback]:
    """All feedback, newest first, superseded too."""
    query = _rows(tx).order_by(feedback.c.number.desc())
    if product is not None:
        query = query.where(feedback.c.product == product)
    used = _uses(tx)
    return [replace(_feedback(row), used_in=used.get(row["id"])) for row in opened(tx, feedback, query)]


def page_of_feedback(
    tx: Transaction,
    *,
    product: str | None = None,
    customer: str | None = None,
    states: Collection[State] = (),
    limit: int,
    after: str | None = None,
) -> list[Shown]:
    """A page of feedback with what it is about, newest first. customer: an id. states: only these. after: the id of
    the last one of the page before; NotFound where there is none."""
    column, state = feedback.c, state_of()
    query = sa.select(feedback, state.label("state")).where(column.organisation == tx.organisation)
    for field, value in (("product", product), ("customer", customer)):
        if value is not None:
            query = query.where(column[field] == value)
    if states:
        query = query.where(state.in_(states))
    if after is not None:
        query = query.where(column.number < _number_of(tx, after))
    rows = opened(tx, feedback, query.order_by(column.number.desc()).limit(limit))
    stored = find_answers(tx, {(row["customer"], row["request_id"]) for row in rows})
    consenting, used, reviews = consenting_customers(tx), _uses(tx), list_reviews(tx, product)
    return [
        Shown(
            said=replace(_feedback(row), used_in=used.get(row["id"])),
            state=row["state"],
            review=reviews.get(row["id"]),
            pair=_pair(row, stored.get((row["customer"], row["request_id"])), row["customer"] in consenting),
        )
        for row in rows
    ]


def usable_corrections(tx: Transaction, product: str, *, accepted_only: bool = False) -> list[Correction]:
    """The current corrections of customers who consent now, without the rejected, oldest first."""
    return [found for found in _judged(tx, product, accepted_only) if isinstance(found, Correction)]


def unusable_corrections(tx: Transaction, product: str, *, accepted_only: bool = False) -> list[Unusable]:
    """The current corrections that may not be trained on, and why, oldest first."""
    return [found for found in _judged(tx, product, accepted_only) if isinstance(found, Unusable)]


def known_labels(tx: Transaction, product: str) -> list[str]:
    """The labels of the newest data version; none where the product has no data or its answers are no labels."""
    try:
        report = get_version(tx, product, None).report
    except NotFound:
        return []
    return [count.label for count in report.classes]


def unknown_label(tx: Transaction, product: str, label: str, *, refuse: bool) -> bool:
    """Whether the product's data lack the label; with `refuse` that is BadInput, and names the nearest ones."""
    known = known_labels(tx, product)
    if not known or label in known:
        return False
    if not refuse:
        return True
    folded = {one.casefold(): one for one in reversed(known)}
    near = [folded[one] for one in get_close_matches(label.casefold(), folded, n=3, cutoff=0.5)]
    shown = ", ".join(repr(one) for one in (near or known[:_SHOWN_LABELS]))
    more = "" if near or len(known) <= _SHOWN_LABELS else f" and {len(known) - _SHOWN_LABELS:,} more"
    raise BadInput(
        f"{label[:80]!r} is not a label of {product}",
        where="correction",
        hint=f"did you mean {shown}?" if near else f"its labels: {shown}{more}",
    )


def mark_used(tx: Transaction, ids: Sequence[str], dataset_version: str) -> None:
    """Record that rows made from these pieces of feedback are in a dataset version. Again changes nothing."""
    record_uses(tx, feedback, feedback_use, ids, dataset_version)


def _judged(tx: Transaction, product: str, accepted_only: bool) -> list[Correction | Unusable]:
    query = (
        _rows(tx)
        .where(feedback.c.product == product, feedback.c.correction.is_not(None), feedback.c.superseded.is_(False))
        .order_by(feedback.c.number)
    )
    consenting, reviews = consenting_customers(tx), list_reviews(tx, product)
    found = [(row, _set_aside(reviews.get(row["id"]), accepted_only)) for row in opened(tx, feedback, query)]
    return [Unusable(row["id"], row["customer"], why) if why else _judge(tx, row, consenting) for row, why in found]


def _set_aside(review: Review | None, accepted_only: bool) -> str:
    """Why the operator's word keeps a correction out of training; empty where it does not."""
    verdict = None if review is None else review.verdict
    if verdict == "rejected":
        return "you rejected it"
    return "you have not accepted it, and this product trains on accepted ones" if accepted_only and not verdict else ""


def _judge(tx: Transaction, row: Mapping[str, Any], consenting: frozenset[str]) -> Correction | Unusable:
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
    if correction is not None and not 0 < _length(correction) <= MAX_TRUTH_CHARS:
        hint = f"1 to {MAX_TRUTH_CHARS:,} characters: what should have been answered"
        raise BadInput("the correction must be text", where="correction", hint=hint)
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT_CHARS:
        raise BadInput(f"the comment must be text of at most {MAX_COMMENT_CHARS:,} characters", where="comment")
    if rating is None and correction is None and not comment.strip():
        raise BadInput("nothing was said", hint='give "rating", "correction" or "comment"')


def listed(labels: Sequence[str]) -> str:
    """A list of labels as the correction that is kept: in JSON."""
    return json.dumps(list(labels), ensure_ascii=False)


def _any_unknown(tx: Transaction, product: str, labels: Sequence[str], *, refuse: bool) -> bool:
    return any(unknown_label(tx, product, one, refuse=refuse) for one in labels)


def _as_said(product: str, input: Any, correction: str | Sequence[str]) -> Sequence[str]:
    return (correction,) if isinstance(correction, str) else correction


def _length(correction: object) -> int:
    """How long a correction is as it is kept; 0 for what is none."""
    if isinstance(correction, list) and all(isinstance(each, str) for each in correction):
        return len(listed(correction))
    return len(correction.strip()) if isinstance(correction, str) else 0


def _number_of(tx: Transaction, id: str) -> int:
    row = tx.first(_rows(tx).where(feedback.c.id == id))
    if row is None:
        raise NotFound(f"no feedback {id[:80]!r}", where="after")
    return int(row["number"])


def _pair(row: Mapping[str, Any], stored: Answer | None, consents: bool) -> tuple[Any, Any] | None:
    """What was asked and what was answered; the output is None where only the input was copied."""
    if stored is not None:
        output = _output_json(stored, row["index"])
        return stored.inputs[row["index"]], None if output is None else json.loads(output)
    if not consents or row["input"] is None:
        return None
    return json.loads(row["input"]), None if row["answer"] is None else json.loads(row["answer"])


def _copies(answer: Answer, index: int) -> dict[str, str | None]:
    return {"input": canonical_json(answer.inputs[index]).decode(), "answer": _output_json(answer, index)}


def _output_json(answer: Answer, index: int) -> str | None:
    outputs = json.loads(answer.body).get("outputs") or []
    return canonical_json(outputs[index]).decode() if index < len(outputs) else None


def _current(tx: Transaction, customer: str, request_id: str, index: int) -> Feedback | None:
    row = tx.first(
        _rows(tx).where(
            feedback.c.customer == customer,
            feedback.c.request_id == request_id,
            feedback.c.index == index,
            feedback.c.superseded.is_(False),
        )
    )
    return None if row is None else _feedback(open_row(tx, feedback, row))


def _rows(tx: Transaction) -> sa.Select[Any]:
    return sa.select(feedback).where(feedback.c.organisation == tx.organisation)


def _uses(tx: Transaction) -> dict[str, str]:
    query = sa.select(feedback_use).where(feedback_use.c.organisation == tx.organisation)
    return {row["feedback"]: row["dataset_version"] for row in tx.all(query.order_by(feedback_use.c.used_at))}


def _feedback(row: Mapping[str, Any]) -> Feedback:
    return Feedback(**{name: row[name] for name in Feedback.__dataclass_fields__ if name != "used_in"})
