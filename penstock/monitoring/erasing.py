"""What monitoring keeps of one customer's words: taken out, page by page. That something was said, and when, stays."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from penstock.monitoring.event_tables import feedback_event
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


ERASERS: dict[str, Callable[[Transaction, str], int]] = {"feedback": erase_feedback, "events": erase_users}
"""By what they erase."""
