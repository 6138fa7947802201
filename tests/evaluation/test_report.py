"""The report: it survives JSON, stays small, and says what is wrong with a damaged one."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from evaluation.measured import differing, measure, report, report_of, scripted, small_report

from penstock.core.errors import BadInput
from penstock.evaluation.report import METRICS, Report, rows_digest, summary_rows


def through_json(made: Report) -> Report:
    return Report.from_json(json.loads(json.dumps(made.to_json())))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1_000])
def test_a_report_goes_through_json_and_back_with_every_row(rows: int) -> None:
    made = report_of([row % 3 != 0 for row in range(rows)])
    assert through_json(made) == made


def test_a_report_with_no_margin_goes_through_json_and_back() -> None:
    made = report(gross_margin=None)
    assert through_json(made) == made


def test_more_labels_than_two_bytes_can_count_are_kept() -> None:
    labels = tuple(f"label {n}" for n in range(70_000))
    made = replace(small_report(), labels=labels, predictions=(0, 1, 69_999, 65_536))
    assert through_json(made) == made


def test_a_hundred_thousand_test_rows_take_less_than_three_bytes_each() -> None:
    small, large = (len(json.dumps(report(0, rows).to_json())) for rows in (100, 100_100))
    assert (large - small) / 100_000 < 3


def damage(**changes: Any) -> dict[str, Any]:
    return {**report(90).to_json(), **changes}


def packed(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="another kind of JSON"),
        pytest.param({"version": 1}, id="nearly empty"),
        pytest.param(damage(version=99), id="a version of the future"),
        pytest.param(damage(accuracy={"value": "high", "low": 0, "high": 1}), id="a word for a number"),
        pytest.param(damage(accuracy={"value": 0.9, "low": 0.95, "high": 1.0}), id="an impossible interval"),
        pytest.param(damage(correct="not base 64!"), id="rows that are no base 64"),
        pytest.param(damage(correct=packed(b"\xff")), id="fewer rows than counted"),
        pytest.param(damage(correct=packed(b"\xff" * 100)), id="more rows than counted"),
        pytest.param(damage(predictions={"type": "<u2", "data": packed(b"\0\0" * 99)}), id="fewer answers than rows"),
        pytest.param(damage(predictions={"type": "<u2", "data": packed(b"\0")}), id="half an answer"),
        pytest.param(damage(predictions={"type": "O", "data": packed(b"\0" * 800)}), id="answers of another type"),
        pytest.param(damage(rows=10**15), id="a count that no memory holds"),
        pytest.param(damage(rows=-1), id="a negative count"),
    ],
)
def test_a_damaged_report_is_bad_input_that_says_what_to_do(data: Any) -> None:
    with pytest.raises(BadInput) as caught:
        Report.from_json(data)
    assert caught.value.hint == "evaluate the candidate again"


def test_a_metric_that_is_not_measured_is_bad_input() -> None:
    with pytest.raises(BadInput, match="no metric 'speed'") as caught:
        report().metric("speed")
    assert "latency_p95_ms" in str(caught.value.hint)


def test_the_summary_shows_every_metric_once_with_its_interval() -> None:
    rows = summary_rows(report(90, 100))
    assert tuple(row.metric for row in rows) == METRICS
    assert (rows[0].value, rows[0].interval, rows[0].note) == ("0.9000", "0.8256 to 0.9448", "100 test rows")


def test_the_summary_says_in_capitals_when_a_saved_model_answers_otherwise() -> None:
    assert summary_rows(replace(report(), parity=differing(0.3)))[-1].note.endswith("DISAGREE")


def test_the_summary_of_a_free_product_says_why_there_is_no_margin() -> None:
    margin = next(row for row in summary_rows(report(gross_margin=None)) if row.metric == "gross_margin")
    assert (margin.value, margin.note) == ("none", "the lowest unit price is zero")


def test_a_test_split_has_one_name_and_another_order_another_name() -> None:
    assert rows_digest(["x", "y"], ["a", "b"]) == rows_digest(("x", "y"), ("a", "b"))
    assert rows_digest(["x", "y"], ["a", "b"]) != rows_digest(["y", "x"], ["b", "a"])
    made = measure(*scripted([("x", "a", "a"), ("y", "b", "b")]))
    assert made.rows_digest == rows_digest(["x", "y"], ["a", "b"])
