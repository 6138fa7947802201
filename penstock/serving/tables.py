"""What a key may do at most."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.schema import metadata

key_limit = sa.Table(
    "key_limit",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("concurrency", sa.Integer),  # requests at once, in each gateway
    sa.Column("amount_minor", sa.BigInteger),  # what the key's use may come to in a month
)
