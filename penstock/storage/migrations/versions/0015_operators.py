"""Operators with roles, and sessions that are recorded. Who was signed in by an earlier version signs in again."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("removed_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_operator_token_sha256")),
        sa.CheckConstraint("role in ('owner', 'finance', 'operator', 'viewer')", name=op.f("ck_operator_role")),
    )
    op.create_index(
        op.f("uq_operator_name"),
        "operator",
        ["organisation", "name"],
        unique=True,
        sqlite_where=sa.text("removed_at is null"),
        postgresql_where=sa.text("removed_at is null"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("cookie_sha256", sa.String(64), nullable=False),
        sa.Column("operator", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("cookie_sha256", name=op.f("uq_session_cookie_sha256")),
        sa.ForeignKeyConstraint(["operator"], ["operator.id"], name=op.f("fk_session_operator")),
    )
    op.create_index(op.f("ix_session_organisation_expires_at"), "session", ["organisation", "expires_at"])
