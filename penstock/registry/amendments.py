"""Amendments: facts that a live model learns without training, such as an entry added or an item out of stock.

Each holds the whole present state, numbered and kept; the newest counts. What is in it, the product's task says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.core.hashing import canonical_json
from penstock.registry.releases import Release, live_releases
from penstock.registry.tables import amendment as table
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Amendment:
    """number: 1, 2, ... within the product. blob: its content. note: what was done, in words."""

    product: str
    number: int
    blob: str
    note: str
    created_at: datetime


@dataclass(frozen=True)
class Live:
    """What a gateway serves of a product: its release, and what has been amended since, if anything."""

    release: Release
    amendment: Amendment | None


def amend(
    tx: Transaction,
    blobs: BlobStore,
    *,
    product: str,
    edit: Callable[[dict[str, Any]], Mapping[str, Any]],
    note: str = "",
) -> Amendment:
    """Make `edit(present content)`, JSON values, the product's amendment; gateways see it within a second.

    The present content ({} for none) is read behind the lock, so two people's edits follow each other and none is
    lost. An edit that changes nothing makes no amendment.
    """
    counters.bump(tx, "releases")  # first: its row lock lets only one process change what is served at a time
    before = current(tx, product)
    blob = blobs.put(canonical_json(dict(edit(content_of(blobs, before)))))
    if before is not None and before.blob == blob:
        return before
    made = Amendment(product, counters.take(tx, f"amendment:{product}"), blob, note, tx.now)
    tx.execute(sa.insert(table).values(organisation=tx.organisation, **vars(made)))
    return made


def current(tx: Transaction, product: str) -> Amendment | None:
    """The product's newest amendment, if any."""
    row = tx.first(_mine(tx).where(table.c.product == product).order_by(table.c.number.desc()).limit(1))
    return None if row is None else _amendment(row)


def content_of(blobs: BlobStore, amendment: Amendment | None) -> dict[str, Any]:
    """What an amendment says; {} for none. Raises Broken when it was altered."""
    if amendment is None:
        return {}
    content: dict[str, Any] = json.loads(blobs.get(amendment.blob))
    return content


def live(tx: Transaction) -> tuple[Live, ...]:
    """What every product serves now, by product: what a gateway loads."""
    return tuple(Live(release, current(tx, release.product)) for release in live_releases(tx))


def _mine(tx: Transaction) -> sa.Select[Any]:
    return sa.select(table).where(table.c.organisation == tx.organisation)


def _amendment(row: sa.RowMapping) -> Amendment:
    return Amendment(**{name: row[name] for name in Amendment.__dataclass_fields__})
