"""The registry's tables. Candidates, decisions and events are append-only; a release's state is their projection."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.changes import SECRET, unaudited
from penstock.storage.schema import Instant, metadata

candidate = sa.Table(
    "candidate",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("rung", sa.String, nullable=False),
    sa.Column("artifact", sa.String(64), nullable=False),
    sa.Column("backbone", sa.String(64)),
    sa.Column("dataset_version", sa.String, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("report_blob", sa.String(64), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("made_from", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("parameters", sa.JSON, nullable=False, server_default="{}"),
    sa.UniqueConstraint("organisation", "product", "number"),
    sa.CheckConstraint("number > 0", name="number_positive"),
)

decision = sa.Table(
    "decision",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("candidate", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("conditions", sa.JSON, nullable=False),
    sa.Column("incumbent", sa.String),
    sa.Column("hashes", sa.JSON, nullable=False),
    sa.Column("test_uses", sa.BigInteger, nullable=False),
    sa.Column("signature", sa.String(64), nullable=False, info=SECRET),
    sa.Column("created_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["organisation", "candidate"], ["candidate.organisation", "candidate.id"]),
    sa.UniqueConstraint("organisation", "product", "number"),
    sa.Index("ix_decision_candidate", "organisation", "candidate"),
)

release = sa.Table(
    "release",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("candidate", sa.String, nullable=False),
    sa.Column("decision", sa.String, nullable=False),
    sa.Column("artifact", sa.String(64), nullable=False),
    sa.Column("previous", sa.String),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("retired_at", Instant),
    sa.ForeignKeyConstraint(["organisation", "candidate"], ["candidate.organisation", "candidate.id"]),
    sa.ForeignKeyConstraint(["organisation", "decision"], ["decision.organisation", "decision.id"]),
    sa.ForeignKeyConstraint(["organisation", "previous"], ["release.organisation", "release.id"]),
    sa.UniqueConstraint("organisation", "product", "number"),
    sa.CheckConstraint("state in ('live', 'retired')", name="state_known"),
    sa.CheckConstraint("(state = 'retired') = (retired_at is not null)", name="retired_has_a_time"),
)
sa.Index(
    "uq_release_live",
    release.c.organisation,
    release.c.product,
    unique=True,
    sqlite_where=release.c.state == "live",
    postgresql_where=release.c.state == "live",
)

release_event = sa.Table(
    "release_event",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("release", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.ForeignKeyConstraint(["organisation", "release"], ["release.organisation", "release.id"]),
    sa.CheckConstraint("kind in ('released', 'retired', 'rolled_back', 'restored')", name="kind_known"),
)

test_use = sa.Table(
    "test_use",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("rows_digest", sa.String(64), primary_key=True),
    sa.Column("candidate", sa.String, primary_key=True),
    sa.Column("time", Instant, nullable=False),
    sa.ForeignKeyConstraint(["organisation", "candidate"], ["candidate.organisation", "candidate.id"]),
    info=unaudited("it counts"),
)

amendment = sa.Table(
    "amendment",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("blob", sa.String(64), nullable=False),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.CheckConstraint("number > 0", name="number_positive"),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("product", sa.String, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("rung", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("dataset_version", sa.String, nullable=False),
    sa.Column("candidate", sa.String),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("curves_blob", sa.String(64)),
    sa.Column("machine", sa.JSON, nullable=False),
    sa.Column("code", sa.String, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("cost", sa.String, nullable=False),
    sa.Column("error", sa.String, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "operation"),
    sa.UniqueConstraint("organisation", "product", "number"),
    sa.CheckConstraint("number > 0", name="number_positive"),
    sa.CheckConstraint("kind in ('train', 'trial', 'compress')", name="kind_known"),
    sa.CheckConstraint("state in ('done', 'failed')", name="state_known"),
    info=unaudited("a record of a training"),
)
