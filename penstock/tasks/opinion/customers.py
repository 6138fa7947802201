"""What opinion monitoring keeps of a customer: exported with the rest, and erased page by page."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.identity.belongings import Belonging, of_key
from penstock.identity.tables import key
from penstock.storage.engine import Transaction
from penstock.task import CustomerData
from penstock.tasks.opinion import tables as opinion

PAGE = 500


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


def erase_feeds(tx: Transaction, customer: str) -> int:
    """Forget the feeds that are read for the customer's keys."""
    keys = sa.select(key.c.id).where(key.c.organisation == tx.organisation, key.c.customer == customer)
    column = opinion.opinion_feed.c
    mine = (column.organisation == tx.organisation, column.key.in_(keys))
    return tx.execute_unrecorded(sa.delete(opinion.opinion_feed).where(*mine)).rowcount


def _delete(tx: Transaction, table: sa.Table, customer: str, limit: int) -> int:
    keys = [one for one in table.primary_key if one.name != "organisation"]
    mine = (table.c.organisation == tx.organisation, table.c.customer == customer)
    found = [tuple(row.values()) for row in tx.all(sa.select(*keys).where(*mine).order_by(*keys).limit(limit))]
    if found:
        tx.execute_unrecorded(sa.delete(table).where(*mine, sa.tuple_(*keys).in_(found)))
    return len(found)


CUSTOMERS = CustomerData(
    belongings=(
        Belonging("opinion_documents", "documents of opinion monitoring", opinion.opinion_document),
        Belonging("opinion_mentions", "what they mention", opinion.opinion_mention),
        Belonging("opinion_alerts", "alerts", opinion.opinion_alert, hidden=("acknowledged_by",)),
        Belonging("opinion_deliveries", "alerts sent", opinion.opinion_delivery, by="alert", via=opinion.opinion_alert),
        Belonging("opinion_mutes", "entities that alert no more", opinion.opinion_mute),
        of_key("opinion_feeds", "feeds that are read for its keys", opinion.opinion_feed),
    ),
    left_out={"opinion_stream": "how far detection has read"},
    sealed=(opinion.opinion_document, opinion.opinion_alert, opinion.opinion_delivery),
    erasers={
        "opinion mentions": erase_mentions,
        "opinion documents": erase_documents,
        "opinion deliveries": erase_deliveries,
        "opinion alerts": erase_alerts,
        "opinion mutes": erase_mutes,
        "opinion feeds": erase_feeds,
    },
)
