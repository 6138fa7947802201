"""Keys with an access, keys that manage others, what replaced a key, and when each was last used."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("key", sa.Column("access", sa.String(), nullable=False, server_default="full"))
    op.add_column("key", sa.Column("manages_keys", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("key", sa.Column("made_by", sa.String(), nullable=True))
    op.add_column("key", sa.Column("replaced_by", sa.String(), nullable=True))
    op.create_table(
        "key_use",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("last_used_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "key", name=op.f("pk_key_use")),
        sa.ForeignKeyConstraint(["key"], ["key.id"], name=op.f("fk_key_use_key")),
    )
