"""A product's candidates, or every product's, each with what it measured and what the gate last said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.evaluation.intervals import Metric
from penstock.evaluation.words import figure
from penstock.pipeline.artifacts import get_report
from penstock.registry import candidates, decisions, runs
from penstock.runtime.house import House
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Listed:
    """headline: the metric that speaks for the product's quality. passed: None where nothing was decided."""

    candidate: str
    product: str
    number: int
    rung: str
    headline: str
    quality: Metric
    latency_p95_ms: Metric
    passed: bool | None
    created_at: datetime


def list_judged(house: House, product: str | None = None) -> list[Listed]:
    """Newest first, product by product. What its run recorded is enough; the report of a candidate from before runs
    were kept is read."""
    with house.store.read() as tx:
        names = [product] if product is not None else sorted({one.product for one in candidates.list_candidates(tx)})
        return [one for name in names for one in _of(house, tx, name)]


def judged_rows(found: Sequence[Listed]) -> list[dict[str, Any]]:
    """A table row each."""
    several = len({one.headline for one in found}) > 1
    return [
        {
            "name": f"{one.product}/{one.number}",
            "rung": one.rung,
            "quality" if several else one.headline: (f"{one.headline} " if several else "")
            + figure(one.headline, one.quality.value),
            "95%": figure(one.headline, one.quality.low, one.quality.high),
            "p95 ms": f"{one.latency_p95_ms.value:.2f}",
            "gate": "" if one.passed is None else "yes" if one.passed else "no",
            "made": one.created_at,
            "candidate": one.candidate,
        }
        for one in found
    ]


def _of(house: House, tx: Transaction, product: str) -> list[Listed]:
    verdicts = {decision.candidate: decision.passed for decision in decisions.list_decisions(tx, product)}
    recorded = runs.runs_of_candidates(tx, product)
    found = []
    for candidate in reversed(candidates.list_candidates(tx, product)):
        run = recorded.get(candidate.id)
        metrics = run.metrics if run is not None else _measured(house, candidate)
        headline = next(iter(metrics))
        found.append(
            Listed(
                candidate=candidate.id,
                product=product,
                number=candidate.number,
                rung=candidate.rung,
                headline=headline,
                quality=metrics[headline],
                latency_p95_ms=metrics["latency_p95_ms"],
                passed=verdicts.get(candidate.id),
                created_at=candidate.created_at,
            )
        )
    return found


def _measured(house: House, candidate: candidates.Candidate) -> Mapping[str, Metric]:
    metrics = get_report(house.blobs, candidate.report_blob).metrics
    return {name: found for name, found in metrics.items() if found is not None}
