"""The ladder: every training is kept as a run; a candidate knows what it was made from, and with which parameters."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("candidate", sa.Column("made_from", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("candidate", sa.Column("parameters", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "run",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("rung", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("dataset_version", sa.String(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("curves_blob", sa.String(length=64), nullable=True),
        sa.Column("machine", sa.JSON(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("cost", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("kind in ('train', 'trial', 'compress')", name=op.f("ck_run_kind_known")),
        sa.CheckConstraint("state in ('done', 'failed')", name=op.f("ck_run_state_known")),
        sa.CheckConstraint("number > 0", name=op.f("ck_run_number_positive")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_run")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_run_organisation_operation")),
        sa.UniqueConstraint("organisation", "product", "number", name=op.f("uq_run_organisation_product_number")),
    )
    forbid_changes("run")


def forbid_changes(table: str) -> None:
    """The database refuses to change or delete rows; on Postgres by the function that 0001 made."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function penstock_append_only()"
        )
        return
    for verb in ("update", "delete"):
        connection.exec_driver_sql(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, 'rows of {table} are never changed or deleted'); end"
        )
