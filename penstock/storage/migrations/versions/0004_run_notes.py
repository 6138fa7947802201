"""A run keeps what its training noted: where it was resumed, where memory ran out, how it was calibrated."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("run", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
