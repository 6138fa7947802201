"""Feedback's tables. Feedback is never edited: a newer word on the same answer marks the older as superseded."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import PERSONAL, unaudited
from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedText, sealed_column

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("request_id", sa.String, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("rating", sa.Integer, nullable=True),
    sealed_column("correction", SealedText, nullable=True),
    sealed_column("comment", SealedText),
    sa.Column("new_label", sa.Boolean, nullable=False),
    # the input as JSON, only if its owner consented to training: the stored answer is forgotten after some days
    sealed_column("input", SealedText, nullable=True),
    # the output that the feedback is about, as JSON, under the same consent
    sealed_column("answer", SealedText, nullable=True),
    sa.Column("superseded", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "number"),
    sa.CheckConstraint('"index" >= 0', name="index"),
    sa.CheckConstraint("rating is null or rating = -1 or rating between 1 and 5", name="rating"),
    sa.Index(
        "uq_feedback_current",
        "organisation",
        "customer",
        "request_id",
        "index",
        unique=True,
        sqlite_where=sa.text("not superseded"),
        postgresql_where=sa.text("not superseded"),
    ),
    sa.Index("ix_feedback_product_number", "organisation", "product", "number"),
    info=unaudited("use: the row says whose it is and when"),
)

# the operator's verdict on a correction, and why the last retraining got no row of it; both may be absent
feedback_review = sa.Table(
    "feedback_review",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("feedback", sa.String, sa.ForeignKey("feedback.id"), primary_key=True),
    sa.Column("verdict", sa.String, nullable=True),
    sa.Column("reason", sa.String, nullable=False, info=PERSONAL),  # it may repeat the comment
    sa.Column("decided_at", Instant, nullable=True),
    sa.Column("no_row", sa.String, nullable=True),
    sa.CheckConstraint("verdict is null or verdict in ('accepted', 'rejected')", name="verdict"),
)

# lineage: which dataset versions hold rows made from which feedback, so that erasure finds the models
feedback_use = sa.Table(
    "feedback_use",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("feedback", sa.String, sa.ForeignKey("feedback.id"), primary_key=True),
    sa.Column("dataset_version", sa.String, primary_key=True),
    sa.Column("used_at", Instant, nullable=False),
    info=unaudited("lineage"),
)
