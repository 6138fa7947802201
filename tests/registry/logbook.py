"""Runs of a helpdesk as a climb would record them, and five thousand at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.evaluation.intervals import Metric
from penstock.registry.runs import NewRun, Run, add_run
from penstock.registry.tables import run as table
from penstock.storage import counters
from penstock.storage.engine import Transaction

LOSS = [(float(step), 3.0 / (step + 1)) for step in range(40)]


def record(tx: Transaction, operation: str, *, accuracy: float = 0.9, product: str = "helpdesk", **changes: Any) -> Run:
    """A training that reached this accuracy, give or take two points, at 0.02 for 1,000 predictions."""
    facts = {
        "kind": "train",
        "rung": "full.v1",
        "state": "done",
        "dataset_version": "d" * 64,
        "parameters": {"recipe": {"peak": 1e-4, "epochs": 3.0}},
        "metrics": {
            "accuracy": Metric(accuracy, accuracy - 0.02, accuracy + 0.02),
            "cost_per_1000": Metric(0.02, 0.018, 0.023),
        },
        "curves_blob": None,
        "machine": {"cpu": "EPYC", "cores": 2, "features": ["avx2"]},
        "code": "0.1.0 abc",
        "seed": 0,
        "seconds": 12.5,
        "cost": Decimal("0.000278"),
    }
    return add_run(tx, NewRun(operation=operation, product=product, **{**facts, **changes}))


def failed(tx: Transaction, operation: str, error: str = "the loss is not a number") -> Run:
    """A training that ended with an error."""
    return record(tx, operation, state="failed", metrics={}, error=error, seconds=1.0)


def fill(tx: Transaction, count: int, product: str = "helpdesk") -> None:
    """A first run, and all the other trials in one statement; the accuracy of number n is n / 10,000."""
    first = record(tx, f"{product} 1", product=product, kind="trial", accuracy=0.0001)
    like = tx.first(sa.select(table).where(table.c.organisation == tx.organisation, table.c.id == first.id))
    assert like is not None
    rows = []
    for number in range(2, count + 1):
        value = number / 10_000
        metrics = {"order": ["accuracy"], "values": {"accuracy": [value, value, value]}}
        changes = {"id": f"{first.id}-{number}", "operation": f"{product} {number}", "number": number}
        rows.append({**like, **changes, "metrics": metrics})
    counters.take(tx, f"run:{product}", len(rows))
    tx.execute(sa.insert(table), rows)
