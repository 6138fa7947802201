"""Invoices can be voided and credited. A void month is invoiced again: its runs stand on a second invoice's lines."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    drop_unique("invoice_line", "uq_invoice_line_organisation_rating_run")
    drop_unique("invoice", "uq_invoice_organisation_customer_period")
    op.create_index("ix_invoice_customer", "invoice", ["organisation", "customer", "period"], unique=False)
    op.create_index("ix_invoice_line_rating_run", "invoice_line", ["organisation", "rating_run"], unique=False)
    op.create_table(
        "invoice_void",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("voided_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "invoice", name=op.f("pk_invoice_void")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_invoice_void_organisation_operation")),
        sa.ForeignKeyConstraint(
            ["organisation", "invoice"],
            ["invoice.organisation", "invoice.number"],
            name=op.f("fk_invoice_void_organisation_invoice"),
        ),
    )
    op.create_table(
        "credit_note",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("reduced_minor", sa.BigInteger(), nullable=False),
        sa.Column("refund", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("seller", sa.JSON(), nullable=False),
        sa.Column("buyer", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "number", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_credit_note_organisation_operation")),
        sa.CheckConstraint("total_minor = net_minor + tax_minor", name=op.f("ck_credit_note_adds_up")),
        sa.CheckConstraint("total_minor > 0", name=op.f("ck_credit_note_gives_something")),
        sa.CheckConstraint(
            "reduced_minor >= 0 and reduced_minor <= total_minor", name=op.f("ck_credit_note_reduces_at_most_its_total")
        ),
        sa.ForeignKeyConstraint(
            ["organisation", "invoice"],
            ["invoice.organisation", "invoice.number"],
            name=op.f("fk_credit_note_organisation_invoice"),
        ),
    )
    op.create_index("ix_credit_note_invoice", "credit_note", ["organisation", "invoice"], unique=False)
    for table in ("invoice_void", "credit_note"):
        op.create_index(f"ix_{table}_customer", table, ["organisation", "customer"], unique=False)
        forbid_changes(table)


def drop_unique(table: str, name: str) -> None:
    """Drop a unique constraint. SQLite can only make the table anew: its rows, triggers and indexes stay the same."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(name, table, type_="unique")
        return
    found = connection.execute(
        sa.text("select type, sql from sqlite_master where tbl_name = :table and sql is not null"), {"table": table}
    ).all()
    [created] = [row.sql for row in found if row.type == "table"]
    changed, count = re.subn(rf",\s*CONSTRAINT {name} UNIQUE \([^)]*\)", "", created)
    if count != 1:
        raise RuntimeError(f"table {table} has no constraint {name}")
    connection.exec_driver_sql("pragma defer_foreign_keys = on")  # rows that refer to this table's lose it for a moment
    connection.exec_driver_sql(f"create table {table}_kept as select * from {table}")  # noqa: S608
    connection.exec_driver_sql(f"drop table {table}")
    connection.exec_driver_sql(changed)
    connection.exec_driver_sql(f"insert into {table} select * from {table}_kept")  # noqa: S608
    connection.exec_driver_sql(f"drop table {table}_kept")
    for row in found:
        if row.type != "table":
            connection.exec_driver_sql(row.sql)


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
