"""Named JSON documents that a company has one of, such as the workspace as it was last applied."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from penstock.storage.engine import Transaction
from penstock.storage.schema import document


def get_document(tx: Transaction, name: str) -> Any | None:
    """The document's value, or None."""
    return tx.scalar(sa.select(document.c.value).where(*_is(tx, name)))


def list_documents(tx: Transaction, prefix: str) -> list[Any]:
    """The values of all documents whose name begins so, by name."""
    mine = (document.c.organisation == tx.organisation, document.c.name.startswith(prefix, autoescape=True))
    return [row["value"] for row in tx.all(sa.select(document.c.value).where(*mine).order_by(document.c.name))]


def put_document(tx: Transaction, name: str, value: Any) -> None:
    """Replace the document."""
    tx.execute(sa.delete(document).where(*_is(tx, name)))
    row = {"organisation": tx.organisation, "name": name, "value": value, "updated_at": tx.now}
    tx.execute(sa.insert(document).values(row))


def _is(tx: Transaction, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return document.c.organisation == tx.organisation, document.c.name == name
