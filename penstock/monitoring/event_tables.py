"""The tables of what users did with recommendations. An event is never edited; the same again is the same event."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import unaudited
from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedText, sealed_column

feedback_event = sa.Table(
    "feedback_event",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("request_id", sa.String, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("item", sa.String, nullable=False),
    # whom the input named, only if the customer consented to training: the stored answer is forgotten after some days
    sealed_column("user", SealedText, nullable=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "number"),
    sa.UniqueConstraint("organisation", "customer", "request_id", "index", "kind", "item"),
    sa.CheckConstraint('"index" >= 0', name="index"),
    sa.CheckConstraint("kind in ('click', 'buy')", name="kind"),
    sa.Index("ix_feedback_event_product_number", "organisation", "product", "number"),
    info=unaudited("use: the row says whose it is and when"),
)

# lineage: which dataset versions hold rows made from which events, so that erasure finds the models
feedback_event_use = sa.Table(
    "feedback_event_use",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("event", sa.String, sa.ForeignKey("feedback_event.id"), primary_key=True),
    sa.Column("dataset_version", sa.String, primary_key=True),
    sa.Column("used_at", Instant, nullable=False),
    info=unaudited("lineage"),
)
