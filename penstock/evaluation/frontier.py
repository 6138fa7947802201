"""The frontier: candidates by quality and cost, those that no other beats in both, and the one chosen.

It compares measurements made on the same test rows; it draws nothing (see frontier_page.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from penstock.evaluation.choice import Choice, beats, choose, option, profit
from penstock.evaluation.intervals import Metric
from penstock.evaluation.report import Report


@dataclass(frozen=True)
class Point:
    """A candidate on the plane. cost: of 1,000 predictions. margin: None for a free product. profit: expected, of 1,000
    predictions, None where nothing says what an error costs. best: no other is as good and cheaper, or better and as
    cheap."""

    candidate: str
    number: int
    rung: str
    headline: str
    quality: Metric
    cost: Metric
    latency_p95_ms: Metric
    margin: Metric | None
    profit: Metric | None
    passed: bool
    best: bool = False
    chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Point:
        return msgspec.convert(dict(data), Point)


@dataclass(frozen=True)
class Judged:
    """A candidate with its report and the gate's answer. name: as people call it."""

    candidate: str
    number: int
    rung: str
    report: Report
    passed: bool

    @property
    def name(self) -> str:
        return f"candidate {self.number}"


def frontier(
    judged: Sequence[Judged], *, error_cost: Decimal | None, within: float | None
) -> tuple[tuple[Point, ...], Choice | None]:
    """The points, cheapest first, and which one is chosen by the product's rule; None when none passed."""
    options = {one.candidate: option(one.name, one.report, passed=one.passed) for one in judged}
    chosen = choose(tuple(options.values()), error_cost=error_cost, within=within)
    points = [
        Point(
            candidate=one.candidate,
            number=one.number,
            rung=one.rung,
            headline=one.report.headline,
            quality=one.report.headline_metric,
            cost=one.report.cost_per_1000,
            latency_p95_ms=one.report.latency_p95_ms,
            margin=one.report.gross_margin,
            profit=None if error_cost is None else profit(options[one.candidate], error_cost),
            passed=one.passed,
            best=not any(beats(other, options[one.candidate]) for other in options.values()),
            chosen=chosen is not None and one.name == chosen.name,
        )
        for one in judged
    ]
    return tuple(sorted(points, key=lambda point: (point.cost.value, -point.quality.value, point.number))), chosen
