"""The product matrix: amendments of live releases, and feedback whose inputs are of any task."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("amendment",)


def upgrade() -> None:
    op.create_table(
        "amendment",
        sa.Column("organisation", sa.String, primary_key=True),
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("number > 0", name="number_positive"),
    )
    keep_inputs_as_json()
    for table in APPEND_ONLY:
        forbid_changes(table)


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


def keep_inputs_as_json() -> None:
    """What was a text becomes the JSON of one."""
    op.execute(sa.text("alter table feedback rename column text to input"))
    feedback = sa.table("feedback", sa.column("id"), sa.column("input"))
    connection = op.get_bind()
    kept = connection.execute(sa.select(feedback).where(feedback.c.input.is_not(None))).all()
    for row in kept:
        text = json.dumps(row.input, ensure_ascii=False)
        connection.execute(sa.update(feedback).where(feedback.c.id == row.id).values(input=text))
