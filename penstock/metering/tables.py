"""Metering's tables: totals that remember how far they have read, and the reasons of corrections."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import unaudited
from penstock.storage.schema import Instant, metadata

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
