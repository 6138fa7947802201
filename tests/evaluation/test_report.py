"""The report: it survives JSON, stays small, and says what is wrong with a damaged one."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from evaluation.measured import differing, graded_report, measure, report, report_of, scripted

from penstock.core.errors import BadInput, Broken
from penstock.core.hashing import canonical_json
from penstock.evaluation.html import report_html
from penstock.evaluation.report import VERSION, Report, rows_digest, summary_rows


def through_json(made: Report) -> Report:
    """As reports are kept: in canonical JSON, whose keys are sorted."""
    return Report.from_json(json.loads(canonical_json(made.to_json())))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1_000])
def test_a_report_goes_through_json_and_back_with_every_row(rows: int) -> None:
    made = report_of([row % 3 != 0 for row in range(rows)])
    assert through_json(made) == made


def test_a_report_with_no_margin_goes_through_json_and_back() -> None:
    made = report(gross_margin=None)
    assert through_json(made) == made


def test_a_report_of_graded_answers_with_sections_goes_through_json_and_back() -> None:
    made = graded_report()
    again = through_json(made)
    assert again == made
    assert (again.headline, list(again.quality)) == ("rmse", ["rmse", "mae"])  # not in the order of the alphabet
    assert again.scores == (-1.5, -0.25, -1e-9)
    assert [section.chart is None for section in again.sections] == [False, True, False]


def test_a_report_that_measures_no_quality_cannot_be() -> None:
    with pytest.raises(Broken, match="without a measure of quality"):
        replace(report(), quality={})


def test_a_hundred_thousand_test_rows_take_less_than_three_bytes_each() -> None:
    small, large = (len(json.dumps(report(0, rows).to_json())) for rows in (100, 100_100))
    assert (large - small) / 100_000 < 3


def damage(**changes: Any) -> dict[str, Any]:
    return {**report(90).to_json(), **changes}


def accuracy(**figures: Any) -> list[dict[str, Any]]:
    return [{"name": "accuracy", **figures}]


def scores(**changes: Any) -> dict[str, Any]:
    return {**report(90).to_json()["scores"], **changes}


def packed(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="another kind of JSON"),
        pytest.param({"version": VERSION}, id="nearly empty"),
        pytest.param(damage(version=99), id="a version of the future"),
        pytest.param(damage(quality=accuracy(value="high", low=0, high=1)), id="a word for a number"),
        pytest.param(damage(quality=accuracy(value=0.9, low=0.95, high=1.0)), id="an impossible interval"),
        pytest.param(damage(quality=[]), id="no metric at all"),
        pytest.param(damage(quality=[{"value": 0.9, "low": 0.8, "high": 1.0}]), id="a metric without a name"),
        pytest.param(damage(scores=scores(data="not base 64!")), id="scores that are no base 64"),
        pytest.param(damage(scores=scores(data=packed(b"\xff"))), id="fewer scores than counted"),
        pytest.param(damage(scores=scores(data=packed(b"\xff" * 100))), id="more scores than counted"),
        pytest.param(damage(scores=scores(type="<f8", data=packed(b"\0" * 792))), id="a graded score short"),
        pytest.param(damage(scores=scores(type="<f8", data=packed(b"\0"))), id="a part of a graded score"),
        pytest.param(damage(scores=scores(type="O", data=packed(b"\0" * 800))), id="scores of another type"),
        pytest.param(damage(scores=scores(count=10**15)), id="a count that no memory holds"),
        pytest.param(damage(scores=scores(count=-1)), id="a negative count"),
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


SHOWN = "100 test rows; 0.5000 by always the commonest label"


def test_the_summary_shows_every_metric_once_with_its_interval() -> None:
    rows = summary_rows(report(90, 100))
    assert tuple(row.metric for row in rows) == tuple(report().metrics)
    assert (rows[0].value, rows[0].interval, rows[0].note) == ("0.9000", "0.8256 to 0.9448", SHOWN)


def test_the_summary_says_in_capitals_when_a_saved_model_answers_otherwise() -> None:
    assert summary_rows(replace(report(), parity=differing(0.3)))[-1].note.endswith("DISAGREE")


def test_the_summary_of_a_free_product_says_why_there_is_no_margin() -> None:
    margin = next(row for row in summary_rows(report(gross_margin=None)) if row.metric == "gross_margin")
    assert (margin.value, margin.note) == ("none", "the lowest unit price is zero")


def test_a_test_split_has_one_name_and_another_order_another_name() -> None:
    x, y = {"text": "x", "label": "a"}, {"text": "y", "label": "b"}
    assert rows_digest([x, y]) == rows_digest(({"label": "a", "text": "x"}, y))
    assert rows_digest([x, y]) != rows_digest([y, x])
    made = measure(*scripted([("x", "a", "a"), ("y", "b", "b")]))
    assert made.rows_digest == rows_digest([x, y])


def test_a_test_split_keeps_its_name_wherever_its_rows_were_read() -> None:
    row = {"text": "x", "label": "a"}
    moved = {**row, "origin": "other.csv:7", "customer": None}
    assert rows_digest([row]) == rows_digest([moved])


def test_rows_whose_label_train_lacks_are_counted_as_wrong_and_told() -> None:
    rows = [("a1", "a", "a"), ("a2", "a", "a"), ("b1", "b", "b"), ("s1", "strange", "a")]
    model, test = scripted(rows)
    found = measure(model, test)
    assert found.quality["accuracy"].value == 0.75
    assert found.rows_of_unknown_labels == 1
    assert summary_rows(found)[0].note.startswith("4 test rows, 1 with a label that train lacks: all wrong")
    english, chinese = (
        report_html(found, candidate={}, decision=None, cleaning=None, locale=locale) for locale in ("en", "zh-CN")
    )
    assert "1 of them have a label that the training rows lack, and count as wrong." in english
    assert "其中 1 行的类别在训练数据中没有" in chinese
