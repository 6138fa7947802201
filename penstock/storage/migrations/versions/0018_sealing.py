"""Which keys seal what customers send. The columns that hold sealed values stay as they are: text, JSON and bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "sealing_key",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.CheckConstraint("state in ('active', 'kept', 'retired', 'lost')", name=op.f("ck_sealing_key_state")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_sealing_key")),
    )
    op.create_index(
        "uq_sealing_key_active",
        "sealing_key",
        ["organisation"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
