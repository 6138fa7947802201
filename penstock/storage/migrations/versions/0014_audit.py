"""The audit log: entries that are never changed or deleted, and by what each is looked for."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("details_sha256", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "number", name=op.f("pk_audit_entry")),
    )
    for column in ("who", "at"):
        op.create_index(
            op.f(f"ix_audit_entry_organisation_{column}_number"), "audit_entry", ["organisation", column, "number"]
        )
    op.create_table(
        "audit_subject",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "subject", "number", name=op.f("pk_audit_subject")),
    )
    for table in ("audit_entry", "audit_subject"):
        _forbid_changes(table)


def _forbid_changes(table: str) -> None:
    """The database refuses to change or delete rows; on Postgres by the function that 0001 made."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for when, each in (("update or delete", "row"), ("truncate", "statement")):
            connection.exec_driver_sql(
                f"create trigger {table}_no_{when.split()[0]} before {when} on {table} "
                f"for each {each} execute function penstock_append_only()"
            )
        return
    for verb in ("update", "delete"):
        connection.exec_driver_sql(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, 'rows of {table} are never changed or deleted'); end"
        )
