"""Billing's tables, and the triggers that keep what was sold, booked and issued from ever being changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

import penstock.metering.tables  # noqa: F401  its tables come with billing's
from penstock.storage.changes import PERSONAL, unaudited
from penstock.storage.schema import Instant, metadata


def _organisation() -> sa.Column[str]:
    return sa.Column("organisation", sa.String, primary_key=True)


def _currency() -> sa.Column[str]:
    return sa.Column("currency", sa.String(3), nullable=False)


def _minor(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String, primary_key=key, nullable=optional)


def _moment(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Instant, nullable=optional)


book = sa.Table(
    "book",
    metadata,
    _organisation(),
    _currency(),
    _text("timezone"),
    _moment("opened_at"),
)

price_version = sa.Table(
    "price_version",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("product"),
    sa.Column("number", sa.Integer, nullable=False),
    _text("title"),
    sa.Column("price", sa.JSON, nullable=False),
    _currency(),
    sa.Column("digest", sa.String(64), nullable=False),
    _moment("effective_from"),
    sa.UniqueConstraint("organisation", "product", "number"),
)

plan_version = sa.Table(
    "plan_version",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("plan"),
    sa.Column("number", sa.Integer, nullable=False),
    _text("title"),
    _minor("monthly_minor"),
    _currency(),
    sa.Column("includes", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    _moment("effective_from"),
    sa.UniqueConstraint("organisation", "plan", "number"),
    sa.CheckConstraint("monthly_minor >= 0", name="fee_not_negative"),
)

subscription = sa.Table(
    "subscription",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("customer"),
    _text("plan_version"),
    _moment("started_at"),
    _moment("ended_at", optional=True),
    sa.Index(
        "uq_subscription_open",
        "organisation",
        "customer",
        unique=True,
        sqlite_where=sa.text("ended_at is null"),
        postgresql_where=sa.text("ended_at is null"),
    ),
    sa.Index("ix_subscription_customer", "organisation", "customer", "started_at"),
)

tax_version = sa.Table(
    "tax_version",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("customer", optional=True),  # null: the company's rate
    sa.Column("number", sa.Integer, nullable=False),
    _text("rate", optional=True),  # "0.06"; null: the customer has the company's again
    _moment("effective_from"),
    _text("reason"),
    _moment("created_at"),
    sa.UniqueConstraint("organisation", "customer", "number"),
    sa.CheckConstraint("customer is not null or rate is not null", name="company_has_a_rate"),
)

customer_terms = sa.Table(
    "customer_terms",
    metadata,
    _organisation(),
    _text("customer", key=True),
    _text("terms"),
    sa.CheckConstraint("terms in ('prepaid', 'invoice')", name="known_terms"),
)

usage_limit = sa.Table(
    "usage_limit",
    metadata,
    _organisation(),
    _text("customer", key=True),
    _text("product", key=True),
    _minor("units_per_month"),
    sa.CheckConstraint("units_per_month >= 0", name="limit_not_negative"),
)

usage_grant = sa.Table(
    "usage_grant",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("gateway"),
    _text("customer"),
    _text("product"),
    sa.Column("period", sa.String(7), nullable=False),
    _moment("period_end"),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    _currency(),
    _text("state"),
    _moment("opened_at"),
    _moment("expires_at"),
    sa.Column("key", sa.String, nullable=False, server_default=""),  # of a key with a cap in money; else empty
    sa.Column("cumulative", sa.BigInteger, nullable=False, server_default="0"),  # units of the month before it
    sa.CheckConstraint("units > 0", name="grants_something"),
    sa.CheckConstraint("used >= 0", name="used_not_negative"),
    sa.CheckConstraint("state in ('open', 'closed', 'expired')", name="known_state"),
    sa.Index("ix_usage_grant_customer", "organisation", "customer", "state"),
    sa.Index("ix_usage_grant_gateway", "organisation", "gateway", "state"),
    info=unaudited("what gateways hold for a while"),
)

ledger_operation = sa.Table(
    "ledger_operation",
    metadata,
    _organisation(),
    _text("operation", key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    _text("memo"),
    _text("reference", optional=True),  # the invoice it belongs to
    _text("reverses", optional=True),
    _moment("posted_at"),
    sa.UniqueConstraint("organisation", "reverses"),
    sa.Index("ix_ledger_operation_reference", "organisation", "reference"),
)

posting = sa.Table(
    "posting",
    metadata,
    _organisation(),
    _text("operation", key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    _text("account"),
    _text("party", optional=True),
    _minor("amount_minor"),  # debit positive, credit negative
    _currency(),
    sa.CheckConstraint("amount_minor <> 0", name="moves_something"),
    sa.ForeignKeyConstraint(
        ["organisation", "operation"], ["ledger_operation.organisation", "ledger_operation.operation"]
    ),
    sa.Index("ix_posting_account", "organisation", "account", "party"),
    sa.Index("ix_posting_party", "organisation", "party"),
)

invoice_mail = sa.Table(
    "invoice_mail",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("invoice"),
    sa.Column("recipient", sa.String, nullable=False, info=PERSONAL),
    _moment("sent_at"),
    sa.Index("ix_invoice_mail_invoice", "organisation", "invoice"),
)

rating_run = sa.Table(
    "rating_run",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("customer"),
    _text("product"),
    sa.Column("period", sa.String(7), nullable=False),
    _moment("period_start"),
    _moment("period_end"),
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    sa.Column("cutoff_seq", sa.BigInteger, nullable=False),
    sa.Column("cumulative_units", sa.BigInteger, nullable=False),
    sa.Column("delta_units", sa.BigInteger, nullable=False),
    sa.Column("allowance", sa.BigInteger, nullable=False),
    _text("price_version"),
    _currency(),
    _minor("amount_minor"),  # of the cumulative units
    _minor("delta_minor"),  # what this run adds to what was booked
    _moment("rated_at"),
    sa.UniqueConstraint("organisation", "customer", "product", "period", "cutoff_seq"),
    sa.UniqueConstraint("organisation", "customer", "product", "period", "after_seq"),  # runs form one chain
    sa.CheckConstraint("cutoff_seq > after_seq", name="reads_on"),
    info=unaudited("figures: the invoice that states them is audited"),
)

invoice = sa.Table(
    "invoice",
    metadata,
    _organisation(),
    _text("number", key=True),
    _text("operation"),
    _text("customer"),
    sa.Column("period", sa.String(7), nullable=False),
    _moment("period_start"),
    _moment("period_end"),
    _currency(),
    _minor("net_minor"),
    _minor("tax_minor"),
    _minor("total_minor"),
    _minor("credit_minor"),  # taken from (positive) or given to (negative) the customer's credit on issue
    sa.Column("cutoff_seq", sa.BigInteger, nullable=False),
    sa.Column("seller", sa.JSON, nullable=False),
    sa.Column("buyer", sa.JSON, nullable=False, info=PERSONAL),
    sa.Column("tax", sa.JSON, nullable=False),
    _moment("issued_at"),
    _moment("due_at"),
    sa.UniqueConstraint("organisation", "operation"),
    sa.CheckConstraint("total_minor = net_minor + tax_minor", name="adds_up"),
    sa.Index("ix_invoice_period", "organisation", "period_end"),
    sa.Index("ix_invoice_customer", "organisation", "customer", "period"),
)

invoice_line = sa.Table(
    "invoice_line",
    metadata,
    _organisation(),
    _text("invoice", key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    _text("kind"),
    _text("title"),
    _text("product", optional=True),
    _text("plan_version", optional=True),
    _text("rating_run", optional=True),
    sa.Column("period", sa.String(7), nullable=False),
    _moment("period_start"),
    _moment("period_end"),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    _text("unit"),
    sa.Column("tiers", sa.JSON, nullable=False),
    _minor("amount_minor"),
    sa.Column("after_seq", sa.BigInteger),
    sa.Column("cutoff_seq", sa.BigInteger),
    _text("tax_rate", optional=True),  # "0.06"; null on invoices of one rate, before rates were dated
    sa.Index("ix_invoice_line_rating_run", "organisation", "rating_run"),
    sa.CheckConstraint("kind in ('plan', 'usage', 'late usage')", name="known_kind"),
    sa.ForeignKeyConstraint(["organisation", "invoice"], ["invoice.organisation", "invoice.number"]),
    info=unaudited("it stands on its invoice"),
)

invoice_void = sa.Table(
    "invoice_void",
    metadata,
    _organisation(),
    _text("invoice", key=True),
    _text("operation"),
    _text("customer"),
    _minor("total_minor"),  # of the invoice, that is asked for no longer
    _text("reason"),
    _moment("voided_at"),
    sa.Index("ix_invoice_void_customer", "organisation", "customer"),
    sa.UniqueConstraint("organisation", "operation"),
    sa.ForeignKeyConstraint(["organisation", "invoice"], ["invoice.organisation", "invoice.number"]),
)

credit_note = sa.Table(
    "credit_note",
    metadata,
    _organisation(),
    _text("number", key=True),
    _text("operation"),
    _text("invoice"),
    _text("customer"),
    _currency(),
    _minor("net_minor"),
    _minor("tax_minor"),
    _minor("total_minor"),
    _minor("reduced_minor"),  # what it took off the open amount; the rest was paid, and given back by `refund`
    _text("refund", optional=True),
    _text("reason"),
    sa.Column("seller", sa.JSON, nullable=False),
    sa.Column("buyer", sa.JSON, nullable=False, info=PERSONAL),
    _moment("issued_at"),
    sa.Column("shares", sa.JSON),  # net and tax by line of the invoice
    sa.UniqueConstraint("organisation", "operation"),
    sa.CheckConstraint("total_minor = net_minor + tax_minor", name="adds_up"),
    sa.CheckConstraint("total_minor > 0", name="gives_something"),
    sa.CheckConstraint("reduced_minor >= 0 and reduced_minor <= total_minor", name="reduces_at_most_its_total"),
    sa.ForeignKeyConstraint(["organisation", "invoice"], ["invoice.organisation", "invoice.number"]),
    sa.Index("ix_credit_note_invoice", "organisation", "invoice"),
    sa.Index("ix_credit_note_customer", "organisation", "customer"),
)

payment = sa.Table(
    "payment",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("operation"),
    _text("invoice"),
    _text("customer"),
    _minor("amount_minor"),
    _minor("tax_minor"),  # the share of tax in the amount
    _currency(),
    _text("method"),
    _moment("paid_at"),
    sa.UniqueConstraint("organisation", "operation"),
    sa.CheckConstraint("amount_minor <> 0", name="pays_something"),
    sa.ForeignKeyConstraint(["organisation", "invoice"], ["invoice.organisation", "invoice.number"]),
    sa.Index("ix_payment_invoice", "organisation", "invoice"),
    sa.Index("ix_payment_customer", "organisation", "customer"),
)

refund = sa.Table(
    "refund",
    metadata,
    _organisation(),
    _text("id", key=True),
    _text("operation"),
    _text("invoice"),
    _text("customer"),
    _minor("amount_minor"),
    _minor("tax_minor"),
    _minor("to_credit_minor"),  # the part that went back to the customer's credit, not to its bank
    _currency(),
    _text("reason"),
    _moment("refunded_at"),
    sa.Column("shares", sa.JSON),  # net and tax by line of the invoice; null for the refund of a credit note
    sa.UniqueConstraint("organisation", "operation"),
    sa.CheckConstraint("amount_minor > 0", name="returns_something"),
    sa.ForeignKeyConstraint(["organisation", "invoice"], ["invoice.organisation", "invoice.number"]),
    sa.Index("ix_refund_invoice", "organisation", "invoice"),
    sa.Index("ix_refund_customer", "organisation", "customer"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    _organisation(),
    _text("customer", key=True),
    _text("reason"),
    _moment("since"),
)


def standing(number: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the invoice of this number is not void. The query must have its organisation from `invoice` or a line."""
    table = number.table
    return ~sa.exists().where(invoice_void.c.organisation == table.c.organisation, invoice_void.c.invoice == number)


def same_invoice() -> sa.ColumnElement[bool]:
    """Joins a line with its invoice."""
    return sa.and_(invoice_line.c.organisation == invoice.c.organisation, invoice_line.c.invoice == invoice.c.number)
