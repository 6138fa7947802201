"""Customers and partners are found by folded names and addresses; customers can be archived."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("customer", "partner"):
        for column in ("name_key", "email_key"):
            op.add_column(name, sa.Column(column, sa.String(), nullable=False, server_default=""))
            op.create_index(f"ix_{name}_organisation_{column}", name, ["organisation", column])
        _fill(name)
    op.add_column("customer", sa.Column("archived_at", sa.String(27), nullable=True))


def _fill(name: str) -> None:
    connection = op.get_bind()
    table = sa.table(name, *(sa.column(each) for each in ("id", "name", "email", "name_key", "email_key")))
    rows = connection.execute(sa.select(table.c.id, table.c.name, table.c.email)).all()
    keys = [{"row": row.id, "name_of": _fold(row.name), "email_of": _fold(row.email)} for row in rows]
    if keys:
        this = table.c.id == sa.bindparam("row")
        filled = sa.update(table).values(name_key=sa.bindparam("name_of"), email_key=sa.bindparam("email_of"))
        connection.execute(filled.where(this), keys)


def _fold(text: str) -> str:  # core.folding.fold as it was when this was written: migrations are frozen
    visible = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())
