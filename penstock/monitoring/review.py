"""What the operator decides of corrections, what retraining got of them, and the state that each is in.

Knows feedback by its rows; knows nothing of consent and training.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.metering.tables import usage_event
from penstock.monitoring.tables import feedback, feedback_review, feedback_use
from penstock.storage import counters
from penstock.storage.engine import Transaction

Verdict = Literal["accepted", "rejected"]
State = Literal["noted", "replaced", "waiting", "accepted", "rejected", "trained_on", "no_row"]
STATES: tuple[State, ...] = ("waiting", "accepted", "rejected", "trained_on", "no_row", "noted", "replaced")
"""noted: it corrects nothing, so there is nothing to decide. replaced: the customer said something newer. waiting: the
operator has not decided. trained_on: a released model learned from it. no_row: the last retraining took it and got no
row of it, because the data have the row already, or test on it, or contradict it."""

MOST_REASON_CHARS = 500
_PAGE = 500


@dataclass(frozen=True)
class Review:
    """verdict: None where the operator has not decided. no_row: why the last retraining got no row of it, or None."""

    feedback: str
    verdict: Verdict | None
    reason: str
    decided_at: datetime | None
    no_row: str | None


def decide(tx: Transaction, ids: Sequence[str], verdict: Verdict, reason: str = "") -> int:
    """Accept or reject corrections; a later word replaces the earlier. Answers how many now say otherwise than before.

    Raises NotFound for an id that is unknown, Conflict for feedback that corrects nothing or was replaced; then none
    is decided.
    """
    if len(reason) > MOST_REASON_CHARS:
        raise BadInput(f"a reason has at most {MOST_REASON_CHARS} characters", where="reason")
    counters.take(tx, "feedback", 0)  # holds the lock: a newer word of the customer's does not slip in between
    wanted = list(dict.fromkeys(ids))
    rows = {row["id"]: row for row in _by_id(tx, wanted)}
    for one in wanted:
        _check(rows.get(one), one)
    before = {one.feedback: one for one in _reviews(tx, feedback_review.c.feedback.in_(wanted))}
    changed = 0
    for one in wanted:
        old = before.get(one)
        if old is not None and (old.verdict, old.reason) == (verdict, reason.strip()):
            continue
        said = {"verdict": verdict, "reason": reason.strip(), "decided_at": tx.now}
        _write(tx, one, old, {**said, "no_row": None})  # the next retraining says again what it got of it
        changed += 1
    return changed


def note_rows(tx: Transaction, gave: Collection[str], gave_none: Mapping[str, str]) -> None:
    """Keep what a retraining got of corrections: `gave` a row each, `gave_none` none, id -> why."""
    wanted = [*gave, *gave_none]
    known = {row["id"] for row in _by_id(tx, wanted)}  # events are told by their own table
    before = {one.feedback: one for one in list_reviews(tx).values()}
    for one in wanted:
        why, old = gave_none.get(one), before.get(one)
        if one in known and why != (None if old is None else old.no_row):
            _write(tx, one, old, {"no_row": why})


def list_reviews(tx: Transaction, product: str | None = None) -> dict[str, Review]:
    """Every review by the feedback's id, of one product if it is given."""
    mine = feedback.c.id == feedback_review.c.feedback
    where = [] if product is None else [sa.exists().where(mine, feedback.c.product == product)]
    return {one.feedback: one for one in _reviews(tx, *where)}


def undecided_of(tx: Transaction, customer: str, product: str | None = None) -> list[str]:
    """Ids of a customer's corrections that wait for the operator, oldest first."""
    mine = feedback.c.organisation == tx.organisation, feedback.c.customer == customer
    query = sa.select(feedback.c.id).where(*mine, state_of() == "waiting").order_by(feedback.c.number)
    if product is not None:
        query = query.where(feedback.c.product == product)
    return [row["id"] for row in tx.all(query)]


def undecided_with(tx: Transaction, key: str) -> list[str]:
    """Ids of the corrections of answers to one key that wait for the operator, oldest first."""
    event = usage_event.c
    asked = sa.exists().where(
        event.organisation == feedback.c.organisation,
        event.source == feedback.c.customer,
        event.id == feedback.c.request_id,
        event.key == key,
    )
    query = sa.select(feedback.c.id).where(feedback.c.organisation == tx.organisation, asked, state_of() == "waiting")
    return [row["id"] for row in tx.all(query.order_by(feedback.c.number))]


def state_counts(tx: Transaction) -> dict[str, dict[State, int]]:
    """Per product, how many pieces of feedback are in each state; a state that none is in is left out."""
    state = state_of().label("state")
    query = sa.select(feedback.c.product, state, sa.func.count().label("count"))
    query = query.where(feedback.c.organisation == tx.organisation).group_by(feedback.c.product, state)
    found: dict[str, dict[State, int]] = {}
    for row in tx.all(query):
        found.setdefault(row["product"], {})[row["state"]] = int(row["count"])
    return found


def state_of() -> sa.Case[str]:
    """The state of a row of feedback, in SQL: one definition for lists, filters and counts."""
    review = feedback_review.c
    mine = review.organisation == feedback.c.organisation, review.feedback == feedback.c.id
    used = feedback_use.c.organisation == feedback.c.organisation, feedback_use.c.feedback == feedback.c.id

    def says(condition: sa.ColumnElement[bool]) -> sa.Exists:
        return sa.exists().where(*mine, condition)

    return sa.case(
        (feedback.c.superseded, "replaced"),
        (feedback.c.correction.is_(None), "noted"),
        (says(review.verdict == "rejected"), "rejected"),
        (sa.exists().where(*used), "trained_on"),
        (says(review.no_row.is_not(None)), "no_row"),
        (says(review.verdict == "accepted"), "accepted"),
        else_="waiting",
    )


def _check(row: sa.RowMapping | None, id: str) -> None:
    if row is None:
        raise NotFound(f"no feedback {id[:80]!r}", where="id", hint="see `penstock feedback list`")
    if row["superseded"]:
        raise Conflict("the customer said something newer of the same answer", where=id, hint="decide on the newer one")
    if row["correction"] is None:
        raise Conflict("it corrects nothing, so there is nothing to accept or reject", where=id)


def _by_id(tx: Transaction, ids: Sequence[str]) -> list[sa.RowMapping]:
    found: list[sa.RowMapping] = []
    for start in range(0, len(ids), _PAGE):
        mine = feedback.c.organisation == tx.organisation, feedback.c.id.in_(ids[start : start + _PAGE])
        found += tx.all(sa.select(feedback).where(*mine))
    return found


def _reviews(tx: Transaction, *where: sa.ColumnElement[bool]) -> list[Review]:
    query = sa.select(feedback_review).where(feedback_review.c.organisation == tx.organisation, *where)
    return [Review(**{name: row[name] for name in Review.__dataclass_fields__}) for row in tx.all(query)]


def _write(tx: Transaction, id: str, old: Review | None, values: dict[str, Any]) -> None:
    if old is None:
        empty = {"verdict": None, "reason": "", "decided_at": None, "no_row": None}
        row = {**empty, **values, "organisation": tx.organisation, "feedback": id}
        tx.execute(sa.insert(feedback_review), row)
        return
    mine = feedback_review.c.organisation == tx.organisation, feedback_review.c.feedback == id
    tx.execute(sa.update(feedback_review).where(*mine).values(**values))
