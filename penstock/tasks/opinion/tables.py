"""Opinion monitoring's tables. Each row belongs to one product of one customer; alerts leave through an outbox."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import PERSONAL, unaudited
from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedJson, SealedText, sealed_column

_STREAM = ("organisation", "product", "customer")

opinion_document = sa.Table(  # every document that was answered, once whatever how often it was sent
    "opinion_document",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("document", sa.String, primary_key=True),
    sa.Column("time", Instant, nullable=False),
    sa.Column("release", sa.String, nullable=False),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("tone", sa.SmallInteger, nullable=False),
    # shortened, only of documents that name an entity, and only for `text_days`: alerts and reports quote it
    sealed_column("text", SealedText, nullable=True),
    sealed_column("source", SealedText),
    sealed_column("url", SealedText),
    sa.CheckConstraint("tone between -1 and 1", name="tone"),
    sa.Index("ix_opinion_document_release", *_STREAM, "release", "time"),
    sa.Index("ix_opinion_document_time", "organisation", "product", "time"),
    info=unaudited("use: what was answered"),
)

opinion_mention = sa.Table(
    "opinion_mention",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("document", sa.String, primary_key=True),
    sa.Column("entity", sa.String, primary_key=True),
    sa.Column("day", sa.String(10), nullable=False),  # in the product's time zone
    sa.Column("hour", Instant, nullable=False),
    sa.Column("tone", sa.SmallInteger, nullable=False),
    sa.Index("ix_opinion_mention_day", *_STREAM, "day", "entity", "tone"),
    sa.Index("ix_opinion_mention_hour", *_STREAM, "hour", "entity", "tone"),
    info=unaudited("use: what was answered"),
)

opinion_stream = sa.Table(  # what of a customer's stream has come since detection last looked
    "opinion_stream",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("changed_from", Instant, nullable=True),  # the earliest new document; none: nothing new
    sa.Column("looked_at", Instant, nullable=True),
    info=unaudited("how far detection is"),
)

opinion_watermark = sa.Table(  # every answer up to `seq` of the usage log is folded
    "opinion_watermark",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    info=unaudited("how far counting is"),
)

opinion_alert = sa.Table(
    "opinion_alert",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("customer", sa.String, nullable=False),
    sa.Column("entity", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("bucket", sa.String, nullable=False),
    sa.Column("onset", Instant, nullable=False),
    sa.Column("first", Instant, nullable=False),
    sa.Column("last", Instant, nullable=False),
    sa.Column("observed", sa.BigInteger, nullable=False),
    sa.Column("expected", sa.Float, nullable=False),
    sa.Column("statistic", sa.Float, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sealed_column("documents", SealedJson),  # quotes
    sa.Column("release", sa.String, nullable=False),
    sa.Column("muted", sa.Boolean, nullable=False),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("acknowledged_at", Instant, nullable=True),
    sa.Column("acknowledged_by", sa.String, nullable=False),
    sa.Column("resolved_at", Instant, nullable=True),
    sa.UniqueConstraint(*_STREAM, "entity", "kind", "first"),
    sa.CheckConstraint("state in ('open', 'acknowledged', 'resolved')", name="state"),
    sa.CheckConstraint("kind in ('volume', 'negative', 'positive')", name="kind"),
    sa.Index(  # one alert at a time for a kind of change of an entity
        "uq_opinion_alert_standing",
        *_STREAM,
        "entity",
        "kind",
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    ),
    sa.Index("ix_opinion_alert_found", "organisation", "product", "found_at"),
)

opinion_mute = sa.Table(
    "opinion_mute",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),  # "" for all customers
    sa.Column("entity", sa.String, primary_key=True),
    sa.Column("until", Instant, nullable=False),
    sa.Column("reason", sa.String, nullable=False, info=PERSONAL),
    sa.Column("created_at", Instant, nullable=False),
)

opinion_delivery = sa.Table(  # the outbox: written with the alert, sent afterwards, again until it arrives
    "opinion_delivery",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("alert", sa.String, sa.ForeignKey("opinion_alert.id"), nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sealed_column("body", SealedJson, lost="row"),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Instant, nullable=True),
    sa.Column("delivered_at", Instant, nullable=True),
    sa.Column("error", sa.String, nullable=False),
    sa.UniqueConstraint("organisation", "alert", "channel", "target"),
    sa.CheckConstraint("channel in ('webhook', 'mail')", name="channel"),
    sa.CheckConstraint("state in ('pending', 'delivered', 'given_up')", name="state"),
    sa.Index("ix_opinion_delivery_due", "organisation", "state", "next_at"),
    info=unaudited("an outbox"),
)

opinion_feed = sa.Table(  # what is remembered of a feed, so that only what is new is fetched and sent
    "opinion_feed",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),  # the id of the key that pays: each customer pulls for itself
    sa.Column("url", sa.String, primary_key=True),
    sa.Column("etag", sa.String, nullable=False),
    sa.Column("modified", sa.String, nullable=False),
    sa.Column("seen", sa.JSON, nullable=False),  # ids of the documents sent, the newest 2,000
    sa.Column("fetched_at", Instant, nullable=False),
    info=unaudited("how far a feed is read"),
)

TABLES = (
    opinion_document,
    opinion_mention,
    opinion_stream,
    opinion_watermark,
    opinion_alert,
    opinion_mute,
    opinion_delivery,
    opinion_feed,
)
