"""The channels' tables. Nothing here is edited: a new agreement is a new version, a refund a negative commission."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.schema import Instant, metadata

agreement_version = sa.Table(
    "agreement_version",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("share", sa.String, nullable=False),  # a decimal fraction as text: "0.20"
    sa.Column("hold_days", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "name", "number"),
)

partner = sa.Table(
    "partner",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("email", sa.String, nullable=False),
    sa.Column("code", sa.String, nullable=False),
    sa.Column("customer", sa.String, nullable=True),  # the partner's own customer, if it is one
    sa.Column("agreement_version", sa.String, sa.ForeignKey("agreement_version.id"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("name_key", sa.String, nullable=False, server_default=""),  # core.folding.fold of the name
    sa.Column("email_key", sa.String, nullable=False, server_default=""),
    sa.UniqueConstraint("organisation", "name"),
    sa.UniqueConstraint("organisation", "code"),
    sa.Index("ix_partner_organisation_name_key", "organisation", "name_key"),
    sa.Index("ix_partner_organisation_email_key", "organisation", "email_key"),
)

# the customer is the key: who brought it is said once, with the terms that held then
attribution = sa.Table(
    "attribution",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("partner", sa.String, sa.ForeignKey("partner.id"), nullable=False),
    sa.Column("agreement_version", sa.String, sa.ForeignKey("agreement_version.id"), nullable=False),
    sa.Column("code", sa.String, nullable=False),
    sa.Column("attributed_at", Instant, nullable=False),
    sa.Index("ix_attribution_organisation_partner", "organisation", "partner"),
)

# why an attribution is or was held: a row only where there were signs of self-referral
attribution_review = sa.Table(
    "attribution_review",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("partner", sa.String, sa.ForeignKey("partner.id"), nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("signs", sa.JSON, nullable=False),  # [{"kind", "partner", "customer"}]
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("decided_at", Instant, nullable=True),
    sa.Column("decision", sa.String, nullable=False),  # the reason that a person gave
    sa.CheckConstraint("state in ('held', 'cleared', 'rejected')", name="known_state"),
    sa.Index("ix_attribution_review_organisation_partner", "organisation", "partner"),
)

commission = sa.Table(
    "commission",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("partner", sa.String, sa.ForeignKey("partner.id"), nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("agreement_version", sa.String, sa.ForeignKey("agreement_version.id"), nullable=False),
    sa.Column("source_kind", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),  # the payment's or refund's id
    sa.Column("invoice", sa.String, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("paid_minor", sa.BigInteger, nullable=False),
    sa.Column("net_minor", sa.BigInteger, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("earned_at", Instant, nullable=False),
    sa.Column("payable_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "agreement_version", "source_kind", "source", "partner"),
    sa.UniqueConstraint("organisation", "number"),
    sa.CheckConstraint("source_kind in ('payment', 'refund')", name="source_kind"),
    sa.CheckConstraint("source_kind = 'payment' or amount_minor <= 0", name="refunds_take_back"),
    sa.Index("ix_commission_organisation_source", "organisation", "source_kind", "source"),
    sa.Index("ix_commission_organisation_partner", "organisation", "partner", "customer"),
    sa.Index("ix_commission_organisation_customer", "organisation", "customer", "invoice"),
)

payout = sa.Table(
    "payout",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("partner", sa.String, sa.ForeignKey("partner.id"), nullable=False),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("paid_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "operation"),
    sa.CheckConstraint("amount_minor > 0", name="pays_something"),
    sa.Index("ix_payout_organisation_partner", "organisation", "partner"),
)
