"""The product matrix: every product at a glance, from what it stands on to what it earned this month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from penstock.analytics.records import Overview, ProductFigures
from penstock.core.money import Money
from penstock.evaluation.intervals import Metric


@dataclass(frozen=True)
class MatrixRow:
    """A product. shared_with: other products on the same backbone, which a gateway loads once for all of them.

    gate: yes, no, or "" before the first decision. quality, latency_p95_ms, cost_per_1000 and gross_margin are of the
    live release, else of the newest judged candidate. price_per_1000: of the cheapest tier. units and revenue: of the
    month, revenue as invoiced; unbilled: used, not invoiced yet.
    """

    product: str
    title: str
    task: str
    backbone: str | None
    shared_with: tuple[str, ...]
    data_version: int | None
    release: int | None
    released_at: datetime | None
    gate: str
    headline: str
    quality: Metric | None
    latency_p95_ms: Metric | None
    cost_per_1000: Decimal | None
    price_per_1000: Decimal | None
    gross_margin: Metric | None
    units: int
    revenue: Money
    unbilled: Money
    open_feedback: int


def matrix(view: Overview) -> tuple[MatrixRow, ...]:
    """A row per product, in the workspace's order of names."""
    on: dict[str, list[str]] = {}
    for product in view.products:
        if product.backbone is not None:
            on.setdefault(product.backbone, []).append(product.name)
    return tuple(_row(product, on) for product in view.products)


def _row(product: ProductFigures, on: Mapping[str, list[str]]) -> MatrixRow:
    found, judged = product.measured, product.judgement
    return MatrixRow(
        product=product.name,
        title=product.title,
        task=product.task,
        backbone=product.backbone,
        shared_with=tuple(name for name in on.get(product.backbone or "", ()) if name != product.name),
        data_version=product.data_version,
        release=product.release,
        released_at=product.released_at,
        gate="" if judged is None else "yes" if judged.passed else "no",
        headline=found.headline if found else "",
        quality=found.quality if found else None,
        latency_p95_ms=found.latency_p95_ms if found else None,
        cost_per_1000=found.cost_per_1000 if found else None,
        price_per_1000=None if product.price is None else product.price.lowest_unit_price() * 1000,
        gross_margin=found.gross_margin if found else None,
        units=product.units,
        revenue=product.revenue,
        unbilled=product.unbilled,
        open_feedback=product.open_feedback,
    )
