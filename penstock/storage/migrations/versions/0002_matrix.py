"""The product matrix: amendments, feedback whose inputs are of any task, and what opinion monitoring, knowledge
answering and recommendation keep."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("amendment",)


def upgrade() -> None:
    create_tables()
    keep_inputs_as_json()
    for table in APPEND_ONLY:
        forbid_changes(table)


def create_tables() -> None:
    op.create_table(
        "amendment",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_amendment_number_positive")),
        sa.PrimaryKeyConstraint("organisation", "product", "number", name=op.f("pk_amendment")),
    )
    op.create_table(
        "feedback_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("kind in ('click', 'buy')", name=op.f("ck_feedback_event_kind")),
        sa.CheckConstraint('"index" >= 0', name=op.f("ck_feedback_event_index")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_event")),
        sa.UniqueConstraint(
            "organisation",
            "customer",
            "request_id",
            "index",
            "kind",
            "item",
            name=op.f("uq_feedback_event_organisation_customer_request_id_index_kind_item"),
        ),
        sa.UniqueConstraint("organisation", "number", name=op.f("uq_feedback_event_organisation_number")),
    )
    op.create_index(
        "ix_feedback_event_product_number", "feedback_event", ["organisation", "product", "number"], unique=False
    )
    op.create_table(
        "opinion_alert",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("onset", sa.String(27), nullable=False),
        sa.Column("first", sa.String(27), nullable=False),
        sa.Column("last", sa.String(27), nullable=False),
        sa.Column("observed", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("statistic", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("found_at", sa.String(27), nullable=False),
        sa.Column("acknowledged_at", sa.String(27), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=False),
        sa.Column("resolved_at", sa.String(27), nullable=True),
        sa.CheckConstraint("kind in ('volume', 'negative', 'positive')", name=op.f("ck_opinion_alert_kind")),
        sa.CheckConstraint("state in ('open', 'acknowledged', 'resolved')", name=op.f("ck_opinion_alert_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opinion_alert")),
        sa.UniqueConstraint(
            "organisation",
            "product",
            "customer",
            "entity",
            "kind",
            "first",
            name=op.f("uq_opinion_alert_organisation_product_customer_entity_kind_first"),
        ),
    )
    op.create_index("ix_opinion_alert_found", "opinion_alert", ["organisation", "product", "found_at"], unique=False)
    op.create_index(
        "uq_opinion_alert_standing",
        "opinion_alert",
        ["organisation", "product", "customer", "entity", "kind"],
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_table(
        "opinion_document",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("tone", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.CheckConstraint("tone between -1 and 1", name=op.f("ck_opinion_document_tone")),
        sa.PrimaryKeyConstraint("organisation", "product", "customer", "document", name=op.f("pk_opinion_document")),
    )
    op.create_index(
        "ix_opinion_document_release",
        "opinion_document",
        ["organisation", "product", "customer", "release", "time"],
        unique=False,
    )
    op.create_index("ix_opinion_document_time", "opinion_document", ["organisation", "product", "time"], unique=False)
    op.create_table(
        "opinion_feed",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("modified", sa.String(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("fetched_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "product", "key", "url", name=op.f("pk_opinion_feed")),
    )
    op.create_table(
        "opinion_mention",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.String(27), nullable=False),
        sa.Column("tone", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation", "product", "customer", "document", "entity", name=op.f("pk_opinion_mention")
        ),
    )
    op.create_index(
        "ix_opinion_mention_day",
        "opinion_mention",
        ["organisation", "product", "customer", "day", "entity", "tone"],
        unique=False,
    )
    op.create_index(
        "ix_opinion_mention_hour",
        "opinion_mention",
        ["organisation", "product", "customer", "hour", "entity", "tone"],
        unique=False,
    )
    op.create_table(
        "opinion_mute",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("until", sa.String(27), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "product", "customer", "entity", name=op.f("pk_opinion_mute")),
    )
    op.create_table(
        "opinion_stream",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("changed_from", sa.String(27), nullable=True),
        sa.Column("looked_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "product", "customer", name=op.f("pk_opinion_stream")),
    )
    op.create_table(
        "opinion_watermark",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "product", name=op.f("pk_opinion_watermark")),
    )
    op.create_table(
        "proposal",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("near", sa.String(), nullable=True),
        sa.Column("suggestion", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("entry", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.CheckConstraint("(state = 'open') = (decided_at is null)", name=op.f("ck_proposal_decided")),
        sa.CheckConstraint("state in ('open', 'approved', 'rejected')", name=op.f("ck_proposal_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
    )
    op.create_index("ix_proposal_product", "proposal", ["organisation", "product", "state"], unique=False)
    op.create_table(
        "feedback_event_use",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("dataset_version", sa.String(), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["feedback_event.id"], name=op.f("fk_feedback_event_use_event")),
        sa.PrimaryKeyConstraint("organisation", "event", "dataset_version", name=op.f("pk_feedback_event_use")),
    )
    op.create_table(
        "opinion_delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.String(27), nullable=True),
        sa.Column("delivered_at", sa.String(27), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.CheckConstraint("channel in ('webhook', 'mail')", name=op.f("ck_opinion_delivery_channel")),
        sa.CheckConstraint("state in ('pending', 'delivered', 'given_up')", name=op.f("ck_opinion_delivery_state")),
        sa.ForeignKeyConstraint(["alert"], ["opinion_alert.id"], name=op.f("fk_opinion_delivery_alert")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opinion_delivery")),
        sa.UniqueConstraint(
            "organisation",
            "alert",
            "channel",
            "target",
            name=op.f("uq_opinion_delivery_organisation_alert_channel_target"),
        ),
    )
    op.create_index("ix_opinion_delivery_due", "opinion_delivery", ["organisation", "state", "next_at"], unique=False)
    op.create_table(
        "proposal_question",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("proposal", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.CheckConstraint("why in ('unanswered', 'rated down')", name=op.f("ck_proposal_question_why")),
        sa.ForeignKeyConstraint(["proposal"], ["proposal.id"], name=op.f("fk_proposal_question_proposal")),
        sa.PrimaryKeyConstraint("organisation", "customer", "request_id", "index", name=op.f("pk_proposal_question")),
    )
    op.create_index("ix_proposal_question_proposal", "proposal_question", ["organisation", "proposal"], unique=False)


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


def keep_inputs_as_json() -> None:
    """What was a text becomes the JSON of one."""
    op.execute(sa.text("alter table feedback rename column text to input"))
    feedback = sa.table("feedback", sa.column("id"), sa.column("input"))
    connection = op.get_bind()
    kept = connection.execute(sa.select(feedback).where(feedback.c.input.is_not(None))).all()
    for row in kept:
        text = json.dumps(row.input, ensure_ascii=False)
        connection.execute(sa.update(feedback).where(feedback.c.id == row.id).values(input=text))
