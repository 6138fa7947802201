"""What 1,000 predictions cost in processor time, and what is left of the price.

It charges the core-seconds a prediction burns, at the workspace's cost of a core-hour. Idle machines, storage and
people are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np

from penstock.evaluation.intervals import Floats, Metric, bootstrap_rows, metric
from penstock.workspace.records import Costs, Price

_DIGITS = Context(prec=6)  # a measured time holds no more than that
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """Core-seconds per 1,000 predictions; their cost in the company's currency, exact decimals as text."""

    cpu_s_per_1000: Metric
    per_1000: str
    per_1000_low: str
    per_1000_high: str
    cpu_core_hour: str
    price_per_1000: str

    def metric(self) -> Metric:
        """The cost as floats, for comparison with a condition only."""
        return metric(float(self.per_1000), float(self.per_1000_low), float(self.per_1000_high))


def cost(cpu_s: Floats, *, price: Price, costs: Costs, seed: int) -> Cost:
    """Mean processor seconds of single predictions (k,), bootstrapped, times the price of a core-hour."""
    low, high = bootstrap_rows(cpu_s, lambda indices: cpu_s[indices].mean(axis=1), seed)
    mean = float(np.mean(cpu_s))
    seconds = metric(1000 * mean, 1000 * low, 1000 * high)
    return Cost(
        cpu_s_per_1000=seconds,
        per_1000=_money(seconds.value, costs),
        per_1000_low=_money(seconds.low, costs),
        per_1000_high=_money(seconds.high, costs),
        cpu_core_hour=f"{costs.cpu_core_hour:f}",
        price_per_1000=f"{price.lowest_unit_price() * 1000:f}",
    )


def gross_margin(cost: Cost) -> Metric | None:
    """(price - cost) / price of the cheapest tier; None when that tier is free: nothing can be left of nothing."""
    price = Decimal(cost.price_per_1000)
    if price == 0:
        return None
    left = [float((price - Decimal(text)) / price) for text in (cost.per_1000, cost.per_1000_high, cost.per_1000_low)]
    return metric(*left)


def _money(seconds: float, costs: Costs) -> str:
    exact = Decimal(repr(seconds)) * costs.cpu_core_hour / _SECONDS_PER_HOUR
    return f"{_DIGITS.plus(exact):f}"
