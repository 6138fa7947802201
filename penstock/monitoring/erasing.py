"""What monitoring keeps of one customer's words: taken out, page by page. That something was said, and when, stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from penstock.monitoring.event_tables import feedback_event
from penstock.monitoring.opinion import tables as opinion
from penstock.monitoring.proposal_tables import proposal_question
from penstock.monitoring.tables import feedback, feedback_review
from penstock.storage.engine import Transaction

PAGE = 500


def erase_feedback(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Empty comments, corrections, inputs and answers of up to `limit` rows of feedback; returns of how many."""
    column = feedback.c
    worded = sa.or_(
        column.comment != "", column.correction.is_not(None), column.input.is_not(None), column.answer.is_not(None)
    )
    mine = (column.organisation == tx.organisation, column.customer == customer)
    found = [row["id"] for row in tx.all(sa.select(column.id).where(*mine, worded).order_by(column.id).limit(limit))]
    if found:
        reasons = sa.update(feedback_review).where(
            feedback_review.c.organisation == tx.organisation, feedback_review.c.feedback.in_(found)
        )
        tx.execute_unrecorded(reasons.values(reason=""))
        emptied = {"comment": "", "correction": None, "input": None, "answer": None}
        tx.execute_unrecorded(sa.update(feedback).where(*mine, column.id.in_(found)).values(emptied))
    return len(found)


def erase_users(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Empty whom up to `limit` clicks and purchases name; returns how many did."""
    column = feedback_event.c
    mine = (column.organisation == tx.organisation, column.customer == customer, column.user.is_not(None))
    found = [row["id"] for row in tx.all(sa.select(column.id).where(*mine).order_by(column.id).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.update(feedback_event).where(*mine, column.id.in_(found)).values(user=None))
    return len(found)


def erase_questions(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Empty up to `limit` questions that proposals hold; returns how many."""
    column = proposal_question.c
    mine = (column.organisation == tx.organisation, column.customer == customer, column.text.is_not(None))
    keys = (column.request_id, column.index)
    found = [tuple(row.values()) for row in tx.all(sa.select(*keys).where(*mine).order_by(*keys).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.update(proposal_question).where(*mine, sa.tuple_(*keys).in_(found)).values(text=None))
    return len(found)


def erase_mentions(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Delete up to `limit` rows of what opinion documents mention."""
    return _delete(tx, opinion.opinion_mention, customer, limit)


def erase_documents(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Delete up to `limit` opinion documents."""
    return _delete(tx, opinion.opinion_document, customer, limit)


def erase_deliveries(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Delete up to `limit` alerts that wait or were sent."""
    column, alert = opinion.opinion_delivery.c, opinion.opinion_alert.c
    theirs = sa.select(alert.id).where(alert.organisation == tx.organisation, alert.customer == customer)
    mine = (column.organisation == tx.organisation, column.alert.in_(theirs))
    found = [row["id"] for row in tx.all(sa.select(column.id).where(*mine).order_by(column.id).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.delete(opinion.opinion_delivery).where(*mine, column.id.in_(found)))
    return len(found)


def erase_alerts(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Delete up to `limit` alerts; their deliveries must be gone."""
    return _delete(tx, opinion.opinion_alert, customer, limit)


def erase_mutes(tx: Transaction, customer: str, limit: int = PAGE) -> int:
    """Delete up to `limit` mutes."""
    return _delete(tx, opinion.opinion_mute, customer, limit)


def erase_feeds(tx: Transaction, keys: Sequence[str]) -> int:
    """Forget the feeds that are read for these keys; returns how many."""
    column = opinion.opinion_feed.c
    mine = (column.organisation == tx.organisation, column.key.in_(keys))
    return tx.execute_unrecorded(sa.delete(opinion.opinion_feed).where(*mine)).rowcount


ERASERS: dict[str, Callable[[Transaction, str], int]] = {
    "feedback": erase_feedback,
    "events": erase_users,
    "questions": erase_questions,
    "opinion mentions": erase_mentions,
    "opinion documents": erase_documents,
    "opinion deliveries": erase_deliveries,
    "opinion alerts": erase_alerts,
    "opinion mutes": erase_mutes,
}
"""By what they erase, in the order in which rows may go."""


def _delete(tx: Transaction, table: sa.Table, customer: str, limit: int) -> int:
    keys = [one for one in table.primary_key if one.name != "organisation"]
    mine = (table.c.organisation == tx.organisation, table.c.customer == customer)
    found = [tuple(row.values()) for row in tx.all(sa.select(*keys).where(*mine).order_by(*keys).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.delete(table).where(*mine, sa.tuple_(*keys).in_(found)))
    return len(found)
