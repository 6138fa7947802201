"""The table of dataset versions. The rows themselves are blobs."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.storage.schema import Instant, metadata
from penstock.storage.sealed import SealedJson, sealed_column

dataset_version = sa.Table(
    "dataset_version",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("product", sa.String, primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("blob", sa.String(64), nullable=False),
    sealed_column("report", SealedJson),  # its examples are rows
    sa.Column("rows_train", sa.BigInteger, nullable=False),
    sa.Column("rows_test", sa.BigInteger, nullable=False),
    sa.Column("parent", sa.String(64)),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("organisation", "product", "number"),
    sa.ForeignKeyConstraint(
        ["organisation", "product", "parent"],
        ["dataset_version.organisation", "dataset_version.product", "dataset_version.id"],
        name="fk_dataset_version_parent",
    ),
    sa.CheckConstraint("number > 0", name="number_positive"),
    sa.CheckConstraint("rows_train > 0 AND rows_test > 0", name="rows_positive"),
    sa.CheckConstraint("parent IS NULL OR parent <> id", name="parent_is_another"),
)
