"""Limits of keys (requests at once, money) and of customers (money), what capped keys spent, and warnings given."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "key_limit",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "key", name="pk_key_limit"),
    )
    op.create_table(
        "spend_limit",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "customer", name="pk_spend_limit"),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_spend_limit_limit_not_negative")),
    )
    op.create_table(
        "key_spend",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("amount", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "key", "period", name="pk_key_spend"),
    )
    op.create_table(
        "limit_warning",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("limit_text", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("mailed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation", "customer", "subject", "period", "percent", "limit_text", name="pk_limit_warning"
        ),
    )
    op.add_column("usage_grant", sa.Column("key", sa.String(), nullable=False, server_default=""))
    op.add_column("usage_grant", sa.Column("cumulative", sa.BigInteger(), nullable=False, server_default="0"))
