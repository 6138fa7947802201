"""Tax rates are dated versions; lines of invoices say their rate, credit notes and refunds which lines they are about.

The rate that was applied last is version 1 of each organisation that keeps books, from the beginning.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "tax_version",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rate", sa.String(), nullable=True),
        sa.Column("effective_from", sa.String(27), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_tax_version")),
        sa.UniqueConstraint(
            "organisation", "customer", "number", name=op.f("uq_tax_version_organisation_customer_number")
        ),
        sa.CheckConstraint("customer is not null or rate is not null", name=op.f("ck_tax_version_company_has_a_rate")),
    )
    op.add_column("invoice_line", sa.Column("tax_rate", sa.String(), nullable=True))
    op.add_column("credit_note", sa.Column("shares", sa.JSON(), nullable=True))
    op.add_column("refund", sa.Column("shares", sa.JSON(), nullable=True))
    _first_versions(op.get_bind())
    _forbid_changes("tax_version")


def _first_versions(connection: sa.Connection) -> None:
    applied = connection.execute(
        sa.text(
            "select book.organisation, document.value from book join document "
            "on document.organisation = book.organisation and document.name = 'workspace'"
        )
    ).all()
    for organisation, value in applied:
        content = json.loads(value) if isinstance(value, str) else value
        connection.execute(
            sa.text(
                "insert into tax_version (organisation, id, customer, number, rate, effective_from, reason, created_at)"
                " values (:organisation, 'tax_first', null, 1, :rate, '1970-01-01T00:00:00.000000Z', '', :now)"
            ),
            {
                "organisation": organisation,
                "rate": str((content.get("company") or {}).get("tax_rate") or "0"),
                "now": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        )


def _forbid_changes(table: str) -> None:
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
