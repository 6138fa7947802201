"""Small tables that rungs are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.tasks.tabular.data.schema import TableSplit

JOBS = ("clerk", "cook", "nurse")


def loans(rows: int = 400, seed: int = 0, labels: tuple[str, ...] = ("paid", "late")) -> TableSplit:
    """Mixed columns with missing values and dates; the chance of `late` falls with income and differs by job."""
    chance = np.random.default_rng(seed)
    income = chance.normal(size=rows)
    job = chance.integers(0, 3, rows)
    month = chance.integers(1, 13, rows)
    noise = chance.logistic(size=rows)
    score = -1.5 * income + (job - 1) + 0.1 * (month - 6) + noise
    cuts = np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1])
    inputs = [_row(income[i], chance.integers(18, 80), job[i], month[i], i) for i in range(rows)]
    return TableSplit(tuple(inputs), tuple(labels[int(np.searchsorted(cuts, each))] for each in score))


def prices(rows: int = 400, seed: int = 0) -> TableSplit:
    """Numbers to predict whose error grows with the area."""
    chance = np.random.default_rng(seed)
    area = chance.uniform(20, 200, rows)
    job = chance.integers(0, 3, rows)
    price = 3_000 * area + 50_000 * job + 400 * area * chance.normal(size=rows)
    inputs = [{"area": float(area[i]), "job": JOBS[job[i]]} for i in range(rows)]
    return TableSplit(tuple(inputs), tuple(price.tolist()))


def _row(income: float, age: int, job: int, month: int, place: int) -> dict[str, Any]:
    return {
        "income": None if place % 11 == 0 else float(income),
        "age": float(age),
        "job": None if place % 13 == 0 else JOBS[job],
        "since": f"2025-{month:02d}-17",
    }
