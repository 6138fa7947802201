"""Identity's tables. Only this package writes them; others hold the ids."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import PERSONAL, SECRET, unaudited
from penstock.storage.schema import Instant, metadata

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False, info=PERSONAL),
    sa.Column("email", sa.String, nullable=False, info=PERSONAL),
    sa.Column("locale", sa.String, nullable=False),
    sa.Column("address", sa.String, nullable=False, info=PERSONAL),
    sa.Column("tax_id", sa.String, nullable=False, info=PERSONAL),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("name_key", sa.String, nullable=False, server_default="", info=PERSONAL),  # core.folding.fold of the name
    sa.Column("email_key", sa.String, nullable=False, server_default="", info=PERSONAL),
    sa.Column("archived_at", Instant, nullable=True),
    sa.UniqueConstraint("organisation", "name"),
    sa.Index("ix_customer_organisation_email", "organisation", "email"),
    sa.Index("ix_customer_organisation_name_key", "organisation", "name_key"),
    sa.Index("ix_customer_organisation_email_key", "organisation", "email_key"),
)

# append-only: the row with the highest number is what holds now, the others say what held when
consent = sa.Table(
    "consent",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("customer", sa.String, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("granted", sa.Boolean, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Index("ix_consent_customer_purpose_number", "customer", "purpose", "number"),
)

key = sa.Table(
    "key",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("customer", sa.String, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True, info=SECRET),
    sa.Column("products", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("requests_per_minute", sa.BigInteger, nullable=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=True),
    sa.Column("revoked_at", Instant, nullable=True),
    sa.Column("access", sa.String, nullable=False, server_default="full"),
    sa.Column("manages_keys", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("made_by", sa.String, nullable=True),  # the key that made it; none: an operator
    sa.Column("replaced_by", sa.String, nullable=True),
    sa.CheckConstraint("requests_per_minute is null or requests_per_minute > 0", name="requests_per_minute"),
    sa.Index("ix_key_organisation_customer", "organisation", "customer"),
)

key_use = sa.Table(
    "key_use",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("key", sa.String, sa.ForeignKey("key.id"), primary_key=True),
    sa.Column("last_used_at", Instant, nullable=False),  # the hour: a write an hour, not a write a request
    info=unaudited("use: the hour in which a key was last used"),
)

operator = sa.Table(
    "operator",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True, info=SECRET),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("removed_at", Instant, nullable=True),
    sa.CheckConstraint("role in ('owner', 'finance', 'operator', 'viewer')", name="role"),
    sa.Index(
        "uq_operator_name",
        "organisation",
        "name",
        unique=True,
        sqlite_where=sa.text("removed_at is null"),
        postgresql_where=sa.text("removed_at is null"),
    ),
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("cookie_sha256", sa.String(64), nullable=False, unique=True, info=SECRET),
    sa.Column("operator", sa.String, sa.ForeignKey("operator.id"), nullable=True),  # none: the admin token's holder
    sa.Column("address", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Index("ix_session_organisation_expires_at", "organisation", "expires_at"),
)
