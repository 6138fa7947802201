"""Which conditions no model can meet, whatever is trained: known before the first training.

It knows the metrics' ranges and what a test of so many rows can prove; how good a model would be, it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.evaluation.intervals import Z95, wilson
from penstock.evaluation.words import SHARES
from penstock.workspace.records import Condition

AT_MOST_ONE = SHARES | {
    "ece",
    "auc",
    "brier",
    "mrr",
    "ndcg_at_10",
    "r2",
    "fidelity",
    "robust_accuracy",
    "robust_exact_match",
}
ABOVE_ZERO = frozenset({"latency_p50_ms", "latency_p95_ms", "cost_per_1000", "epsilon"})
NEVER_NEGATIVE = (AT_MOST_ONE | {"parity", "mae", "rmse"}) - {"gross_margin", "r2"}
_SHARES_OF_ROWS = frozenset({"accuracy", "exact_match"})
"""Their interval is Wilson's over the test rows: with all right, its lower end is n / (n + 1.96²), below 1."""


def impossible(conditions: Sequence[Condition]) -> list[str]:
    """Why each condition that no model can meet cannot be met."""
    return [f"{condition}: {why}" for condition in conditions if (why := _why(condition))]


def unprovable(conditions: Sequence[Condition], test_rows: int) -> list[str]:
    """The conditions that even a model without an error could not prove on so few test rows, and how many would do."""
    most = wilson(test_rows, test_rows).low
    return [
        f"{each}: a model that answers all {test_rows:,} test rows rightly reaches {most:.4g} at the bound; "
        f"about {_rows_for(each.threshold):,} test rows could prove it"
        for each in conditions
        if each.metric in _SHARES_OF_ROWS and each.op == ">=" and most < each.threshold < 1
    ]


def _why(condition: Condition) -> str:
    name, threshold = condition.metric, condition.threshold
    if condition.op == ">=" and name in AT_MOST_ONE and threshold > 1:
        return f"{name} is never above 1"
    if condition.op == ">=" and name in _SHARES_OF_ROWS and threshold == 1:
        return f"the gate judges the lower end of the interval of {name}, and no number of test rows brings that to 1"
    if condition.op == "<=" and name in ABOVE_ZERO and threshold <= 0:
        return f"{name} is always above 0"
    if condition.op == "<=" and threshold < 0 and name in NEVER_NEGATIVE:
        return f"{name} is never below 0"
    return ""


def _rows_for(threshold: float) -> int:
    return math.ceil(Z95**2 * threshold / (1 - threshold))
