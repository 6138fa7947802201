"""Indexes by customer: closing a month reads a customer's own rows, however many others have."""

from alembic import op

revision = "0009"
down_revision = "0008"

ADDED = (
    ("ix_usage_event_month", "usage_event", ["organisation", "customer", "time", "product", "seq", "units"]),
    ("ix_usage_event_meter", "usage_event", ["organisation", "customer", "seq", "time", "product"]),
    ("ix_payment_customer", "payment", ["organisation", "customer"]),
    ("ix_refund_customer", "refund", ["organisation", "customer"]),
    ("ix_commission_organisation_customer", "commission", ["organisation", "customer", "invoice"]),
)


def upgrade() -> None:
    op.drop_index("ix_usage_event_meter", "usage_event")  # it was by product too; now by customer and number only
    for name, table, columns in ADDED:
        op.create_index(name, table, columns)
