"""Agreements with partners, in numbered versions that never change. Knows no partner and no money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.channels.tables import agreement_version
from penstock.core.errors import NotFound
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Agreement, Workspace


@dataclass(frozen=True)
class AgreementVersion:
    """The terms of one version: `share` of what customers paid net of tax (0.2 is 20%), payable after `hold_days`."""

    id: str
    name: str
    number: int
    kind: str
    share: Decimal
    hold_days: int
    created_at: datetime


def publish(tx: Transaction, workspace: Workspace) -> tuple[str, ...]:
    """Make a new version of each agreement of the workspace that changed; answers e.g. ("referral v2",).

    Partners and customers keep the version they came under.
    """
    counters.take(tx, "agreement", 0)  # the lock: two at once would both make version 2
    made = (_publish(tx, name, agreement) for name, agreement in sorted(workspace.agreements.items()))
    return tuple(f"{version.name} v{version.number}" for version in made if version is not None)


def latest(tx: Transaction, name: str) -> AgreementVersion:
    """The newest version of an agreement. Raises NotFound."""
    row = _latest_row(tx, name)
    if row is None:
        raise NotFound(
            f"no agreement {name!r}", where="agreement", hint=f"write [agreements.{name}] and run: penstock apply"
        )
    return _version(row)


def get_version(tx: Transaction, version_id: str) -> AgreementVersion:
    """A version by id. Raises NotFound."""
    row = tx.first(_versions(tx).where(agreement_version.c.id == version_id))
    if row is None:
        raise NotFound(f"no agreement version {version_id!r}")
    return _version(row)


def list_versions(tx: Transaction) -> list[AgreementVersion]:
    """All versions, by name and number."""
    return [
        _version(row) for row in tx.all(_versions(tx).order_by(agreement_version.c.name, agreement_version.c.number))
    ]


def share_text(share: Decimal) -> str:
    """A share as people write it: `20%`, `12.5%`."""
    return f"{(share * 100).normalize():f}%"


def _publish(tx: Transaction, name: str, agreement: Agreement) -> AgreementVersion | None:
    newest, digest = _latest_row(tx, name), agreement.digest()
    if newest is not None and newest["digest"] == digest:
        return None
    row = {
        "id": tx.new_id("agr"),
        "organisation": tx.organisation,
        "name": name,
        "number": newest["number"] + 1 if newest else 1,
        "kind": agreement.kind,
        "share": f"{agreement.share:f}",
        "hold_days": agreement.hold_days,
        "digest": digest,
        "created_at": tx.now,
    }
    tx.execute(sa.insert(agreement_version), row)
    return latest(tx, name)


def _latest_row(tx: Transaction, name: str) -> sa.RowMapping | None:
    query = _versions(tx).where(agreement_version.c.name == name)
    return tx.first(query.order_by(agreement_version.c.number.desc()).limit(1))


def _versions(tx: Transaction) -> sa.Select[Any]:
    return sa.select(agreement_version).where(agreement_version.c.organisation == tx.organisation)


def _version(row: sa.RowMapping) -> AgreementVersion:
    return AgreementVersion(
        id=row["id"],
        name=row["name"],
        number=row["number"],
        kind=row["kind"],
        share=Decimal(row["share"]),
        hold_days=row["hold_days"],
        created_at=row["created_at"],
    )
