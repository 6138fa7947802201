"""Attributions that look like self-referral are held for review."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "attribution_review",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("signs", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.CheckConstraint("state in ('held', 'cleared', 'rejected')", name=op.f("ck_attribution_review_known_state")),
        sa.ForeignKeyConstraint(["partner"], ["partner.id"], name=op.f("fk_attribution_review_partner")),
        sa.PrimaryKeyConstraint("organisation", "customer", name=op.f("pk_attribution_review")),
    )
    op.create_index("ix_attribution_review_organisation_partner", "attribution_review", ["organisation", "partner"])
