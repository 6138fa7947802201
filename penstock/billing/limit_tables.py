"""Tables of limits in money: the caps, what capped keys came to, and the warnings given."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import unaudited
from penstock.storage.schema import Instant, metadata

spend_limit = sa.Table(
    "spend_limit",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.CheckConstraint("amount_minor >= 0", name="limit_not_negative"),
)

key_spend = sa.Table(
    "key_spend",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("period", sa.String(7), primary_key=True),
    sa.Column("amount", sa.String, nullable=False),  # an exact decimal in major units
    info=unaudited("sums over the usage log"),
)

limit_warning = sa.Table(
    "limit_warning",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("subject", sa.String, primary_key=True),  # "money", "product NAME" or "key ID"
    sa.Column("period", sa.String(7), primary_key=True),
    sa.Column("percent", sa.Integer, primary_key=True),
    sa.Column("limit_text", sa.String, primary_key=True),  # a limit that was changed warns anew
    sa.Column("at", Instant, nullable=False),
    sa.Column("mailed", sa.Boolean, nullable=False),
    info=unaudited("what a gateway or the office said"),
)
