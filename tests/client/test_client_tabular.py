"""Programs build inputs from their own rows and read risks and estimates as records."""

from __future__ import annotations

import datetime

from penstock.client.tabular import Estimate, Reason, Risk, table_inputs


def test_rows_become_inputs_with_iso_dates_and_null_for_nan() -> None:
    row = {"age": 41, "income": float("nan"), "since": datetime.date(2025, 3, 17), "job": "nurse", "late": False}
    assert table_inputs([row]) == [{"age": 41, "income": None, "since": "2025-03-17", "job": "nurse", "late": False}]


def test_a_risk_is_read_with_its_decision_and_reasons() -> None:
    risk = Risk.from_output(
        {
            "label": "paid",
            "probability": 0.8,
            "decision": "late",
            "probabilities": {"paid": 0.8, "late": 0.2},
            "explains": "late",
            "reasons": [{"column": "age", "value": None, "effect": 0.4}],
        }
    )
    assert (risk.decision, risk.probabilities["late"]) == ("late", 0.2)
    assert risk.reasons == (Reason("age", None, 0.4),)


def test_an_estimate_is_read_with_its_interval() -> None:
    found = Estimate.from_output({"value": 3, "low": 1.5, "high": 4, "reasons": []})
    assert (found.low, found.value, found.high, found.reasons) == (1.5, 3.0, 4.0, ())
