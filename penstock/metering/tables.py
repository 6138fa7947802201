"""Metering's tables: the usage log, one metered fact a row, and the answer given for it; totals that remember how far
they have read; the reasons of corrections."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import unaudited
from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedBytes, SealedJson, sealed_column

usage_event = sa.Table(
    "usage_event",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),  # the customer for API calls, "correction" for corrections
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("release", sa.String),
    sa.Column("key", sa.String),
    sa.Column("time", Instant, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("organisation", "seq"),
    sa.CheckConstraint("seq >= 1", name="seq_starts_at_one"),
    sa.CheckConstraint("units > 0 or source = 'correction'", name="only_corrections_subtract"),
    # a customer's month without a look at the table itself: closing asks for it once a customer
    sa.Index("ix_usage_event_month", "organisation", "customer", "time", "product", "seq", "units"),
    sa.Index("ix_usage_event_meter", "organisation", "customer", "seq", "time", "product"),
    sa.Index("ix_usage_event_time", "organisation", "time"),
    info=unaudited("use is metered, by customer and key, in rows that are never changed"),
)

answer = sa.Table(
    "answer",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sealed_column("inputs", SealedJson),
    sealed_column("body", SealedBytes, lost="row"),  # the very bytes that were sent: a replay repeats them
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_answer_age", "organisation", "created_at"),
    info=unaudited("use: what was answered"),
)

usage_total = sa.Table(
    "usage_total",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("period", sa.String(7), primary_key=True),
    sa.Column("period_start", Instant, nullable=False),
    sa.Column("period_end", Instant, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # every event up to this one is in `units`
    sa.Column("units", sa.BigInteger, nullable=False),
    info=unaudited("sums over the usage log"),
)

usage_correction = sa.Table(
    "usage_correction",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("operation", sa.String, primary_key=True),  # the id of the usage event with source "correction"
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.CheckConstraint("units <> 0", name="corrects_something"),
)
