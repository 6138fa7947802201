"""Proposals' tables. No text of a customer who has not consented to training is copied into them."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import unaudited
from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedText, sealed_column

proposal = sa.Table(
    "proposal",
    metadata,
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("near", sa.String, nullable=True),  # the entry that came nearest
    sa.Column("suggestion", sa.String, nullable=False),  # its answer, as a draft; or nothing
    sa.Column("state", sa.String, nullable=False),
    sa.Column("entry", sa.String, nullable=True),  # what it became
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("decided_at", Instant, nullable=True),
    sa.CheckConstraint("state in ('open', 'approved', 'rejected')", name="state"),
    sa.CheckConstraint("(state = 'open') = (decided_at is null)", name="decided"),
    sa.Index("ix_proposal_product", "organisation", "product", "state"),
)

# each question is in one proposal at most, however often proposals are made
proposal_question = sa.Table(
    "proposal_question",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("request_id", sa.String, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("proposal", sa.String, sa.ForeignKey("proposal.id"), nullable=False),
    sa.Column("why", sa.String, nullable=False),
    # a copy, only if its owner consented to training: the stored answer is forgotten after some days
    sealed_column("text", SealedText, nullable=True),
    sa.CheckConstraint("why in ('unanswered', 'rated down')", name="why"),
    sa.Index("ix_proposal_question_proposal", "organisation", "proposal"),
    info=unaudited("copies of questions"),
)
