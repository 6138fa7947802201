"""The metadata that every package's tables hang on, the column types they share, and storage's own tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from penstock.storage.changes import unaudited

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as fixed-width UTC text: it sorts as time and reads the same on every database."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a datetime without a zone cannot be stored: {value!r}")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


sequence = sa.Table(
    "sequence",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    info=unaudited("it counts"),
)

generation = sa.Table(
    "generation",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    info=unaudited("it counts"),
)

document = sa.Table(
    "document",
    metadata,
    sa.Column("organisation", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)
