"""The spine's tables, written once and never edited: a change of schema is a new file beside this one.

Rows of the tables in APPEND_ONLY are facts; the database itself refuses to change or delete them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

APPEND_ONLY = (
    "agreement_version",
    "attribution",
    "candidate",
    "commission",
    "consent",
    "dataset_version",
    "decision",
    "invoice",
    "invoice_line",
    "ledger_operation",
    "payment",
    "payout",
    "plan_version",
    "posting",
    "price_version",
    "rating_run",
    "refund",
    "release_event",
    "usage_correction",
    "usage_event",
)

FUNCTION = """
create or replace function penstock_append_only() returns trigger language plpgsql as
$$ begin raise exception using message = 'rows of ' || tg_table_name || ' are never changed or deleted'; end $$
"""


def upgrade() -> None:
    create_tables()
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(FUNCTION)
        for table in APPEND_ONLY:
            protect_on_postgres(table)
    else:
        for table in APPEND_ONLY:
            protect_on_sqlite(table)


def protect_on_postgres(table: str) -> None:
    op.get_bind().exec_driver_sql(
        f"create trigger {table}_append_only before update or delete on {table} "
        "for each row execute function penstock_append_only()"
    )


def protect_on_sqlite(table: str) -> None:
    for verb in ("update", "delete"):
        op.get_bind().exec_driver_sql(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, 'rows of {table} are never changed or deleted'); end"
        )


def create_tables() -> None:
    op.create_table(
        "agreement_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("share", sa.String(), nullable=False),
        sa.Column("hold_days", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_version")),
        sa.UniqueConstraint(
            "organisation", "name", "number", name=op.f("uq_agreement_version_organisation_name_number")
        ),
    )
    op.create_table(
        "answer",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "source", "id", name=op.f("pk_answer")),
    )
    op.create_index("ix_answer_age", "answer", ["organisation", "created_at"], unique=False)
    op.create_table(
        "book",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", name=op.f("pk_book")),
    )
    op.create_table(
        "candidate",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("rung", sa.String(), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("backbone", sa.String(length=64), nullable=True),
        sa.Column("dataset_version", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("report_blob", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_candidate_number_positive")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_candidate")),
        sa.UniqueConstraint("organisation", "product", "number", name=op.f("uq_candidate_organisation_product_number")),
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("tax_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("organisation", "name", name=op.f("uq_customer_organisation_name")),
    )
    op.create_index("ix_customer_organisation_email", "customer", ["organisation", "email"], unique=False)
    op.create_table(
        "customer_terms",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("terms", sa.String(), nullable=False),
        sa.CheckConstraint("terms in ('prepaid', 'invoice')", name=op.f("ck_customer_terms_known_terms")),
        sa.PrimaryKeyConstraint("organisation", "customer", name=op.f("pk_customer_terms")),
    )
    op.create_table(
        "dataset_version",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("rows_train", sa.BigInteger(), nullable=False),
        sa.Column("rows_test", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_dataset_version_number_positive")),
        sa.CheckConstraint("parent IS NULL OR parent <> id", name=op.f("ck_dataset_version_parent_is_another")),
        sa.CheckConstraint("rows_train > 0 AND rows_test > 0", name=op.f("ck_dataset_version_rows_positive")),
        sa.ForeignKeyConstraint(
            ["organisation", "product", "parent"],
            ["dataset_version.organisation", "dataset_version.product", "dataset_version.id"],
            name="fk_dataset_version_parent",
        ),
        sa.PrimaryKeyConstraint("organisation", "product", "id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint(
            "organisation", "product", "number", name=op.f("uq_dataset_version_organisation_product_number")
        ),
    )
    op.create_table(
        "document",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "name", name=op.f("pk_document")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("correction", sa.String(), nullable=True),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("new_label", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint('"index" >= 0', name=op.f("ck_feedback_index")),
        sa.CheckConstraint("rating is null or rating = -1 or rating between 1 and 5", name=op.f("ck_feedback_rating")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("organisation", "number", name=op.f("uq_feedback_organisation_number")),
    )
    op.create_index("ix_feedback_product_number", "feedback", ["organisation", "product", "number"], unique=False)
    op.create_index(
        "uq_feedback_current",
        "feedback",
        ["organisation", "customer", "request_id", "index"],
        unique=True,
        sqlite_where=sa.text("not superseded"),
        postgresql_where=sa.text("not superseded"),
    )
    op.create_table(
        "generation",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "topic", name=op.f("pk_generation")),
    )
    op.create_table(
        "invoice",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("period_start", sa.String(27), nullable=False),
        sa.Column("period_end", sa.String(27), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("cutoff_seq", sa.BigInteger(), nullable=False),
        sa.Column("seller", sa.JSON(), nullable=False),
        sa.Column("buyer", sa.JSON(), nullable=False),
        sa.Column("tax", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.String(27), nullable=False),
        sa.Column("due_at", sa.String(27), nullable=False),
        sa.CheckConstraint("total_minor = net_minor + tax_minor", name=op.f("ck_invoice_adds_up")),
        sa.PrimaryKeyConstraint("organisation", "number", name=op.f("pk_invoice")),
        sa.UniqueConstraint("organisation", "customer", "period", name=op.f("uq_invoice_organisation_customer_period")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_invoice_organisation_operation")),
    )
    op.create_index("ix_invoice_period", "invoice", ["organisation", "period_end"], unique=False)
    op.create_table(
        "ledger_operation",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("memo", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("reverses", sa.String(), nullable=True),
        sa.Column("posted_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "operation", name=op.f("pk_ledger_operation")),
        sa.UniqueConstraint("organisation", "reverses", name=op.f("uq_ledger_operation_organisation_reverses")),
    )
    op.create_index("ix_ledger_operation_reference", "ledger_operation", ["organisation", "reference"], unique=False)
    op.create_table(
        "plan_version",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("monthly_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("includes", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("effective_from", sa.String(27), nullable=False),
        sa.CheckConstraint("monthly_minor >= 0", name=op.f("ck_plan_version_fee_not_negative")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_plan_version")),
        sa.UniqueConstraint("organisation", "plan", "number", name=op.f("uq_plan_version_organisation_plan_number")),
    )
    op.create_table(
        "price_version",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("effective_from", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_price_version")),
        sa.UniqueConstraint(
            "organisation", "product", "number", name=op.f("uq_price_version_organisation_product_number")
        ),
    )
    op.create_table(
        "quarantine",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "customer", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "rating_run",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("period_start", sa.String(27), nullable=False),
        sa.Column("period_end", sa.String(27), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("cutoff_seq", sa.BigInteger(), nullable=False),
        sa.Column("cumulative_units", sa.BigInteger(), nullable=False),
        sa.Column("delta_units", sa.BigInteger(), nullable=False),
        sa.Column("allowance", sa.BigInteger(), nullable=False),
        sa.Column("price_version", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("delta_minor", sa.BigInteger(), nullable=False),
        sa.Column("rated_at", sa.String(27), nullable=False),
        sa.CheckConstraint("cutoff_seq > after_seq", name=op.f("ck_rating_run_reads_on")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_rating_run")),
        sa.UniqueConstraint(
            "organisation",
            "customer",
            "product",
            "period",
            "after_seq",
            name=op.f("uq_rating_run_organisation_customer_product_period_after_seq"),
        ),
        sa.UniqueConstraint(
            "organisation",
            "customer",
            "product",
            "period",
            "cutoff_seq",
            name=op.f("uq_rating_run_organisation_customer_product_period_cutoff_seq"),
        ),
    )
    op.create_table(
        "sequence",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "name", name=op.f("pk_sequence")),
    )
    op.create_table(
        "subscription",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("plan_version", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_subscription")),
    )
    op.create_index(
        "ix_subscription_customer", "subscription", ["organisation", "customer", "started_at"], unique=False
    )
    op.create_index(
        "uq_subscription_open",
        "subscription",
        ["organisation", "customer"],
        unique=True,
        sqlite_where=sa.text("ended_at is null"),
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "usage_correction",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint("units <> 0", name=op.f("ck_usage_correction_corrects_something")),
        sa.PrimaryKeyConstraint("organisation", "operation", name=op.f("pk_usage_correction")),
    )
    op.create_table(
        "usage_event",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("payload_hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("units > 0 or source = 'correction'", name=op.f("ck_usage_event_only_corrections_subtract")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_usage_event_seq_starts_at_one")),
        sa.PrimaryKeyConstraint("organisation", "source", "id", name=op.f("pk_usage_event")),
        sa.UniqueConstraint("organisation", "seq", name=op.f("uq_usage_event_organisation_seq")),
    )
    op.create_index("ix_usage_event_meter", "usage_event", ["organisation", "customer", "product", "seq"], unique=False)
    op.create_index("ix_usage_event_time", "usage_event", ["organisation", "time"], unique=False)
    op.create_table(
        "usage_grant",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("period_end", sa.String(27), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.CheckConstraint("state in ('open', 'closed', 'expired')", name=op.f("ck_usage_grant_known_state")),
        sa.CheckConstraint("units > 0", name=op.f("ck_usage_grant_grants_something")),
        sa.CheckConstraint("used >= 0", name=op.f("ck_usage_grant_used_not_negative")),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_usage_grant")),
    )
    op.create_index("ix_usage_grant_customer", "usage_grant", ["organisation", "customer", "state"], unique=False)
    op.create_index("ix_usage_grant_gateway", "usage_grant", ["organisation", "gateway", "state"], unique=False)
    op.create_table(
        "usage_limit",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("units_per_month", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("units_per_month >= 0", name=op.f("ck_usage_limit_limit_not_negative")),
        sa.PrimaryKeyConstraint("organisation", "customer", "product", name=op.f("pk_usage_limit")),
    )
    op.create_table(
        "usage_total",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("period_start", sa.String(27), nullable=False),
        sa.Column("period_end", sa.String(27), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "customer", "product", "period", name=op.f("pk_usage_total")),
    )
    op.create_table(
        "consent",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_consent_customer")),
        sa.PrimaryKeyConstraint("organisation", "number", name=op.f("pk_consent")),
    )
    op.create_index("ix_consent_customer_purpose_number", "consent", ["customer", "purpose", "number"], unique=False)
    op.create_table(
        "decision",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("incumbent", sa.String(), nullable=True),
        sa.Column("hashes", sa.JSON(), nullable=False),
        sa.Column("test_uses", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation", "candidate"],
            ["candidate.organisation", "candidate.id"],
            name=op.f("fk_decision_organisation_candidate"),
        ),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_decision")),
        sa.UniqueConstraint("organisation", "product", "number", name=op.f("uq_decision_organisation_product_number")),
    )
    op.create_index("ix_decision_candidate", "decision", ["organisation", "candidate"], unique=False)
    op.create_table(
        "feedback_use",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("feedback", sa.String(), nullable=False),
        sa.Column("dataset_version", sa.String(), nullable=False),
        sa.Column("used_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["feedback"], ["feedback.id"], name=op.f("fk_feedback_use_feedback")),
        sa.PrimaryKeyConstraint("organisation", "feedback", "dataset_version", name=op.f("pk_feedback_use")),
    )
    op.create_table(
        "invoice_line",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=True),
        sa.Column("plan_version", sa.String(), nullable=True),
        sa.Column("rating_run", sa.String(), nullable=True),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("period_start", sa.String(27), nullable=False),
        sa.Column("period_end", sa.String(27), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=True),
        sa.Column("cutoff_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind in ('plan', 'usage', 'late usage')", name=op.f("ck_invoice_line_known_kind")),
        sa.ForeignKeyConstraint(
            ["organisation", "invoice"],
            ["invoice.organisation", "invoice.number"],
            name=op.f("fk_invoice_line_organisation_invoice"),
        ),
        sa.PrimaryKeyConstraint("organisation", "invoice", "number", name=op.f("pk_invoice_line")),
        sa.UniqueConstraint("organisation", "rating_run", name=op.f("uq_invoice_line_organisation_rating_run")),
    )
    op.create_table(
        "key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("products", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("requests_per_minute", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=True),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "requests_per_minute is null or requests_per_minute > 0", name=op.f("ck_key_requests_per_minute")
        ),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_key_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_key_secret_sha256")),
    )
    op.create_index("ix_key_organisation_customer", "key", ["organisation", "customer"], unique=False)
    op.create_table(
        "partner",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=True),
        sa.Column("agreement_version", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreement_version"], ["agreement_version.id"], name=op.f("fk_partner_agreement_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner")),
        sa.UniqueConstraint("organisation", "code", name=op.f("uq_partner_organisation_code")),
        sa.UniqueConstraint("organisation", "name", name=op.f("uq_partner_organisation_name")),
    )
    op.create_table(
        "payment",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("paid_at", sa.String(27), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_payment_pays_something")),
        sa.ForeignKeyConstraint(
            ["organisation", "invoice"],
            ["invoice.organisation", "invoice.number"],
            name=op.f("fk_payment_organisation_invoice"),
        ),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_payment")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_payment_organisation_operation")),
    )
    op.create_index("ix_payment_invoice", "payment", ["organisation", "invoice"], unique=False)
    op.create_table(
        "posting",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_posting_moves_something")),
        sa.ForeignKeyConstraint(
            ["organisation", "operation"],
            ["ledger_operation.organisation", "ledger_operation.operation"],
            name=op.f("fk_posting_organisation_operation"),
        ),
        sa.PrimaryKeyConstraint("organisation", "operation", "number", name=op.f("pk_posting")),
    )
    op.create_index("ix_posting_account", "posting", ["organisation", "account", "party"], unique=False)
    op.create_index("ix_posting_party", "posting", ["organisation", "party"], unique=False)
    op.create_table(
        "refund",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("to_credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("refunded_at", sa.String(27), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_returns_something")),
        sa.ForeignKeyConstraint(
            ["organisation", "invoice"],
            ["invoice.organisation", "invoice.number"],
            name=op.f("fk_refund_organisation_invoice"),
        ),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_refund")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_refund_organisation_operation")),
    )
    op.create_index("ix_refund_invoice", "refund", ["organisation", "invoice"], unique=False)
    op.create_table(
        "test_use",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("rows_digest", sa.String(length=64), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation", "candidate"],
            ["candidate.organisation", "candidate.id"],
            name=op.f("fk_test_use_organisation_candidate"),
        ),
        sa.PrimaryKeyConstraint("organisation", "rows_digest", "candidate", name=op.f("pk_test_use")),
    )
    op.create_table(
        "attribution",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("agreement_version", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("attributed_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreement_version"], ["agreement_version.id"], name=op.f("fk_attribution_agreement_version")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partner.id"], name=op.f("fk_attribution_partner")),
        sa.PrimaryKeyConstraint("organisation", "customer", name=op.f("pk_attribution")),
    )
    op.create_index("ix_attribution_organisation_partner", "attribution", ["organisation", "partner"], unique=False)
    op.create_table(
        "commission",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("agreement_version", sa.String(), nullable=False),
        sa.Column("source_kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("invoice", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("earned_at", sa.String(27), nullable=False),
        sa.Column("payable_at", sa.String(27), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.CheckConstraint(
            "source_kind = 'payment' or amount_minor <= 0", name=op.f("ck_commission_refunds_take_back")
        ),
        sa.CheckConstraint("source_kind in ('payment', 'refund')", name=op.f("ck_commission_source_kind")),
        sa.ForeignKeyConstraint(
            ["agreement_version"], ["agreement_version.id"], name=op.f("fk_commission_agreement_version")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partner.id"], name=op.f("fk_commission_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission")),
        sa.UniqueConstraint(
            "organisation",
            "agreement_version",
            "source_kind",
            "source",
            "partner",
            name=op.f("uq_commission_organisation_agreement_version_source_kind_source_partner"),
        ),
        sa.UniqueConstraint("organisation", "number", name=op.f("uq_commission_organisation_number")),
    )
    op.create_index(
        "ix_commission_organisation_partner", "commission", ["organisation", "partner", "customer"], unique=False
    )
    op.create_index(
        "ix_commission_organisation_source", "commission", ["organisation", "source_kind", "source"], unique=False
    )
    op.create_table(
        "payout",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.String(27), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payout_pays_something")),
        sa.ForeignKeyConstraint(["partner"], ["partner.id"], name=op.f("fk_payout_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("organisation", "operation", name=op.f("uq_payout_organisation_operation")),
    )
    op.create_index("ix_payout_organisation_partner", "payout", ["organisation", "partner"], unique=False)
    op.create_table(
        "release",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("retired_at", sa.String(27), nullable=True),
        sa.CheckConstraint(
            "(state = 'retired') = (retired_at is not null)", name=op.f("ck_release_retired_has_a_time")
        ),
        sa.CheckConstraint("state in ('live', 'retired')", name=op.f("ck_release_state_known")),
        sa.ForeignKeyConstraint(
            ["organisation", "candidate"],
            ["candidate.organisation", "candidate.id"],
            name=op.f("fk_release_organisation_candidate"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation", "decision"],
            ["decision.organisation", "decision.id"],
            name=op.f("fk_release_organisation_decision"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation", "previous"],
            ["release.organisation", "release.id"],
            name=op.f("fk_release_organisation_previous"),
        ),
        sa.PrimaryKeyConstraint("organisation", "id", name=op.f("pk_release")),
        sa.UniqueConstraint("organisation", "product", "number", name=op.f("uq_release_organisation_product_number")),
    )
    op.create_index(
        "uq_release_live",
        "release",
        ["organisation", "product"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "release_event",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.CheckConstraint(
            "kind in ('released', 'retired', 'rolled_back', 'restored')", name=op.f("ck_release_event_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["organisation", "release"],
            ["release.organisation", "release.id"],
            name=op.f("fk_release_event_organisation_release"),
        ),
        sa.PrimaryKeyConstraint("organisation", "seq", name=op.f("pk_release_event")),
    )
