"""Numbers as people read them: no exponent, whatever they count."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

import pytest
from evaluation.measured import needs, report
from hypothesis import given
from hypothesis import strategies as st

from penstock.evaluation.gate import judge
from penstock.evaluation.intervals import Metric
from penstock.evaluation.report import summary_rows
from penstock.evaluation.words import plain_number, reason_in_words, speaker

CHEAP = Metric(9.85e-7, 9.1e-7, 1.06e-6)


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (9.85e-7, 3, "0.000000985"),
        (0.0123456, 3, "0.0123"),
        (0.1, 3, "0.1"),
        (999.6, 3, "1000"),
        (12_345.6, 4, "12,346"),
        (-0.00001234, 2, "-0.000012"),
        (0.0, 3, "0"),
        (Decimal("0.000000278"), 3, "0.000000278"),
    ],
)
def test_a_number_is_told_in_significant_digits(value: float, digits: int, told: str) -> None:
    assert plain_number(value, digits) == told


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_a_number_is_never_told_with_an_exponent_and_hardly_rounded(value: float) -> None:
    told = plain_number(value)
    assert "e" not in told.lower()
    assert float(told.replace(",", "")) == pytest.approx(value, rel=0.006, abs=1e-300)


def test_small_costs_are_plain_in_the_summary_and_in_the_gates_words() -> None:
    cheap = report(cost_per_1000=CHEAP)
    (row,) = [row for row in summary_rows(cheap) if row.metric == "cost_per_1000"]
    assert (row.value, row.interval) == ("0.000000985", "0.00000091 to 0.00000106")
    reason = judge(cheap, (needs("cost_per_1000", "<=", 0.000001),), None).reasons[0]
    assert reason.text == "cost_per_1000 0.000000985, 95% at most 0.00000106, needs <= 0.000001: no"
    chinese = reason_in_words(asdict(reason), "zh-CN", speaker("zh-CN"))
    assert chinese == "每千次成本 0.000000985，95% 至多 0.00000106，要求 <= 0.000001：不满足"
