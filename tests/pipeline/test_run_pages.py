"""Runs side by side: what differs stands out, and the page draws it with the table behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry.logbook import LOSS, failed, record

from penstock.core.errors import BadInput
from penstock.evaluation.intervals import Metric
from penstock.pipeline.runs.listing import MOST_COMPARED, compare_rows, compared
from penstock.pipeline.runs.pages import runs_html
from penstock.registry.runs import put_curves
from penstock.runtime.house import House, open_house

TOML = """\
[company]
name = "Harbour AI"
locale = "%s"

[products.helpdesk]
title = "Help <desk>"
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 0.5" }
price = { tiers = [{ unit_price = "0.10" }] }
"""


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """Two trainings with curves that differ in their peak, a trial, and one that failed."""
    (tmp_path / "penstock.toml").write_text(TOML % getattr(request, "param", "en"))
    opened = open_house(tmp_path, create=True)
    curves = put_curves(opened.blobs, {"loss": LOSS, "held": [(10.0, 0.7), (39.0, 0.8)], "rate": LOSS})
    with opened.store.transaction() as tx:
        for operation, accuracy, peak in (("a", 0.90, 1e-4), ("b", 0.93, 3 * 1e-4)):
            parameters = {"recipe": {"peak": peak, "epochs": 3}}
            record(tx, operation, accuracy=accuracy, parameters=parameters, curves_blob=curves)
        record(tx, "c", kind="trial", metrics={"accuracy": Metric(0.91, 0.91, 0.91)})
        failed(tx, "d", "out of memory\nwith a long story")
    yield opened
    opened.close()


def test_of_parameters_only_what_differs_is_told_and_all_that_was_measured(house: House) -> None:
    rows = {row[""]: row for row in compare_rows(compared(house, ["helpdesk/1", "helpdesk/2"]))}
    rows.pop("made", None)  # the clock's: told where the two ended in different seconds
    assert list(rows) == ["rung", "kind", "accuracy", "cost_per_1000", "seconds", "cost", "recipe.peak"]
    assert rows["recipe.peak"] == {"": "recipe.peak", "helpdesk/1": "0.0001", "helpdesk/2": "0.0003"}
    assert rows["accuracy"]["helpdesk/2"] == "0.9300 (0.9100 to 0.9500)"


def test_a_single_run_tells_everything(house: House) -> None:
    rows = {row[""]: row["helpdesk/4"] for row in compare_rows(compared(house, ["helpdesk/4"]))}
    assert (rows["state"], rows["error"], rows["recipe.epochs"]) == ("failed", "out of memory", "3")
    assert rows["machine"] == "EPYC, 2 cores"


def test_the_newest_of_a_product_are_compared_and_a_run_named_twice_once(house: House) -> None:
    assert [run.number for run in compared(house, ["helpdesk"], last=3)] == [4, 3, 2]
    assert [run.number for run in compared(house, ["helpdesk/2", "helpdesk/2"])] == [2]


def test_comparisons_that_cannot_be_made_are_refused(house: House) -> None:
    for references, last, message in (
        (["helpdesk/1"], 2, "the name of one product"),
        (["helpdesk"], 0, f"between 1 and {MOST_COMPARED}"),
        (["helpdesk/1"] * (MOST_COMPARED + 1), None, "13 runs cannot be compared"),
        (["helpdesk/9"], None, "no run 9"),
        (["elsewhere"], 2, "elsewhere"),
    ):
        with pytest.raises(BadInput, match=message):
            compared(house, references, last=last)


def test_the_page_draws_the_curves_and_quality_against_cost_with_the_table_behind(house: House) -> None:
    page = runs_html(house, compared(house, ["helpdesk"], last=4))
    [drawn] = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    for words in ("Loss", "Held-out quality", "Cost per 1,000, USD", "1 · full.v1", "2 · full.v1"):
        assert words in drawn
    assert "3 · full.v1" not in drawn  # a trial without curves has nothing to draw
    assert "Help &lt;desk&gt;" in page and "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
    behind = page.partition("<details>")[2].partition("</details>")[0]
    assert behind.count("<tr>") == 1 + 2 * (12 + 2)  # twelve of forty losses, both held-out points, of two runs
    assert "out of memory" in page


def test_a_page_without_anything_to_draw_still_shows_the_table(house: House) -> None:
    page = runs_html(house, compared(house, ["helpdesk/4"]))
    assert "<svg" not in page and "out of memory" in page


def test_curves_that_were_cleaned_away_do_not_hide_the_page(house: House) -> None:
    runs = compared(house, ["helpdesk/1"])
    curves = str(runs[0].curves_blob)
    (house.blobs.folder / curves[:2] / curves).unlink()
    assert "Cost per 1,000" in runs_html(house, runs)


@pytest.mark.parametrize("house", ["zh-CN"], indirect=True)
def test_a_chinese_company_reads_its_own_language(house: House) -> None:
    page = runs_html(house, compared(house, ["helpdesk"], last=4))
    for words in ("训练运行对比", "损失", "留出集质量", "每千次成本", "准确率", "4 次运行", "失败"):
        assert words in page
    assert "Held-out" not in page and ">Step<" not in page
