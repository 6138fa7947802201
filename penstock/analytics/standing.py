"""Where each product stands: data, release, newest decision, what its model measured. A few queries a product."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from penstock.analytics.records import Judgement, Measured
from penstock.core.errors import NotFound
from penstock.datasets.versions import get_version
from penstock.evaluation.report import Report
from penstock.registry import candidates, releases
from penstock.registry.tables import decision
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Standing:
    """A product's models at this moment."""

    data_version: int | None
    release: int | None
    released_at: datetime | None
    judgement: Judgement | None
    measured: Measured | None


def standing(tx: Transaction, blobs: BlobStore, product: str) -> Standing:
    """How the product stands now. Raises NotFound or Broken when a report's blob is gone or altered."""
    live = releases.live(tx, product)
    judgement = newest_judgement(tx, product)
    candidate = live.candidate if live else judgement.candidate if judgement else None
    return Standing(
        data_version=_data_version(tx, product),
        release=live.number if live else None,
        released_at=live.created_at if live else None,
        judgement=judgement,
        measured=measured(tx, blobs, candidate) if candidate else None,
    )


def newest_judgement(tx: Transaction, product: str) -> Judgement | None:
    """The last decision on any candidate of the product."""
    query = (
        sa.select(decision)
        .where(decision.c.organisation == tx.organisation, decision.c.product == product)
        .order_by(decision.c.number.desc())
        .limit(1)
    )
    row = tx.first(query)
    if row is None:
        return None
    number = candidates.get_candidate(tx, row["candidate"]).number
    return Judgement(row["candidate"], number, row["passed"], tuple(row["reasons"]), row["created_at"])


def measured(tx: Transaction, blobs: BlobStore, candidate: str) -> Measured:
    """The headline figures of a candidate's report."""
    digest = candidates.get_candidate(tx, candidate).report_blob
    report = Report.from_json(json.loads(blobs.get(digest)))
    return Measured(
        candidate=candidate,
        headline=report.headline,
        quality=report.headline_metric,
        latency_p95_ms=report.latency_p95_ms,
        cost_per_1000=Decimal(report.cost.per_1000),
        gross_margin=report.gross_margin,
    )


def _data_version(tx: Transaction, product: str) -> int | None:
    try:
        return get_version(tx, product, None).number
    except NotFound:
        return None
