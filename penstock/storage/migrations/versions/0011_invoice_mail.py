"""Invoices that were mailed: to whom and when."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "invoice_mail",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("sent_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name="pk_invoice_mail"),
    )
    op.create_index("ix_invoice_mail_invoice", "invoice_mail", ["organisation", "invoice"], unique=False)
