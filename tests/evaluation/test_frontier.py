"""The frontier: what no other candidate beats, the chosen one, and the page an owner shows."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from evaluation.measured import needs, small_report
from hypothesis import given
from hypothesis import strategies as st

from penstock.evaluation.cost import Cost
from penstock.evaluation.frontier import Judged, Point, frontier
from penstock.evaluation.frontier_page import Page, frontier_html, frontier_svg
from penstock.evaluation.intervals import Metric
from penstock.evaluation.possible import impossible, unprovable
from penstock.evaluation.report import Report


@cache
def plain() -> Report:
    return small_report()


def measured(quality: float, cost: float) -> Report:
    spent = Cost(Metric(1, 1, 1), f"{cost:.9f}", f"{cost * 0.9:.9f}", f"{cost * 1.1:.9f}", "0.04", "2.0")
    headline = Metric(quality, max(0.0, quality - 0.02), min(1.0, quality + 0.02))
    return replace(plain(), quality={**plain().quality, "accuracy": headline}, cost=spent)


def judged(number: int, quality: float, cost: float, *, passed: bool = True) -> Judged:
    return Judged(f"cand-{number}", number, f"rung-{number}.v1", measured(quality, cost), passed)


def free(one: Judged) -> Judged:
    """Of a product without a price."""
    return replace(one, report=replace(one.report, cost=replace(one.report.cost, price_per_1000="0")))


FOUR = (
    judged(1, 0.80, 0.001),
    judged(2, 0.90, 0.010),
    judged(3, 0.85, 0.020),  # worse and dearer than 2
    judged(4, 0.95, 0.100, passed=False),
)


def test_the_frontier_is_what_no_other_beats_cheapest_first() -> None:
    points, chosen = frontier(FOUR, error_cost=None, within=None)
    assert [point.number for point in points] == [1, 2, 3, 4]
    assert [point.number for point in points if point.best] == [1, 2, 4]
    assert [point.number for point in points if point.chosen] == [2]  # a wrong answer is worth its price
    assert chosen is not None and chosen.name == "candidate 2" and chosen.rule == "worth"
    assert all(point.profit is None for point in points)


def test_expected_profit_stands_beside_each_point_where_an_error_has_a_price() -> None:
    points, chosen = frontier(FOUR, error_cost=Decimal("0.1"), within=None)
    assert chosen is not None and chosen.name == "candidate 2"
    assert points[1].profit is not None
    assert points[1].profit.value == pytest.approx(2.0 - 0.01 - 10)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=8))
def test_each_point_is_on_the_frontier_or_beaten_by_one_that_is(figures: list[tuple[int, int]]) -> None:
    made = [judged(number, quality / 20, cost / 100) for number, (quality, cost) in enumerate(figures, start=1)]
    points, _ = frontier(made, error_cost=None, within=None)
    best = [point for point in points if point.best]
    assert best
    assert [point.quality.value for point in best] == sorted(point.quality.value for point in best)
    for point in points:
        beaten = any(
            other.quality.value >= point.quality.value and other.cost.value <= point.cost.value for other in best
        )
        assert point.best or beaten


def test_a_point_survives_its_journey_through_json() -> None:
    points, _ = frontier(FOUR, error_cost=Decimal(1), within=None)
    assert [Point.from_json(point.to_json()) for point in points] == list(points)


def page(locale: str = "en", *, passed: bool = True) -> Page:
    some = FOUR if passed else [replace(one, passed=False) for one in FOUR]
    points, chosen = frontier(some, error_cost=Decimal("0.1"), within=None)
    return Page(
        title="Help <desk>",
        version=3,
        rows=3080,
        points=points,
        choice=chosen,
        gate=(needs("accuracy", ">=", 0.8), needs("cost_per_1000", "<=", 0.05)),
        not_tried=(("full.v1", "takes about 9 minutes"),),
        currency="USD",
        locale=locale,
    )


def test_the_page_shows_every_point_the_choice_and_what_was_not_tried() -> None:
    html = frontier_html(page())
    assert "Help &lt;desk&gt;" in html
    assert "Chosen: 2 rung-2.v1" in html and "highest expected profit" in html
    assert html.count("rung-3.v1") >= 2  # in words for those who cannot see the chart, and in the table
    assert "takes about 9 minutes" in html and "3,080 test rows" in html
    assert not re.search(r"<script|src=|@import|url\(", html)


def test_the_chart_is_one_self_contained_picture_with_every_name() -> None:
    svg = frontier_svg(page())
    assert svg.startswith("<svg")
    for number in (1, 2, 3, 4):
        assert f"{number} rung-{number}" in svg
    assert "stroke-dasharray" in svg  # the gate's bounds
    assert "accuracy" in svg and "cost per 1,000, USD" in svg


def test_the_page_speaks_chinese() -> None:
    html = frontier_html(page("zh-CN"))
    assert "选中：2 rung-2.v1（期望利润最高）" in html and "准确率" in html
    assert not re.search(r">(Chosen|Gate|Margin|Why)<", html)


def test_the_page_says_in_chinese_that_a_wrong_answer_was_counted_at_its_price() -> None:
    points, chosen = frontier(FOUR, error_cost=None, within=None)
    assert "按每个错误回答值其售价计" in frontier_html(Page("Help desk", 1, 90, points, chosen, locale="zh-CN"))


def test_the_page_says_that_costs_were_alike_and_tells_them_without_an_exponent() -> None:
    twins = [free(judged(1, 0.80, 1.02e-6)), free(judged(2, 0.90, 1.05e-6))]
    for locale, says in (("en", "2 cost the same within"), ("zh-CN", "2 个候选的成本在测量误差内相同，取质量最优者")):
        points, chosen = frontier(twins, error_cost=None, within=None)
        html = frontier_html(Page("Help desk", 1, 90, points, chosen, locale=locale))
        assert "2 rung-2.v1" in html and says in html
        seen = re.sub("<[^>]*>", "", html)  # the picture's own numbers are not
        assert "0.00000105" in seen and not re.search(r"\de-\d", seen)


def test_small_costs_are_told_in_millionths() -> None:
    twins = [judged(1, 0.80, 1.02e-6), judged(2, 0.90, 3.05e-5)]
    points, chosen = frontier(twins, error_cost=None, within=None)
    for locale, says in (("en", "cost per 1,000, millionths of USD"), ("zh-CN", "每千次成本, 百万分之一 USD")):
        page = Page(
            "Help desk", 1, 90, points, chosen, (needs("cost_per_1000", "<=", 2e-5),), currency="USD", locale=locale
        )
        html = frontier_html(page)
        assert html.count(says) >= 2 and "30.5 (27" in html  # the chart's axis and the table
        assert "stroke-dasharray" in html  # the gate's bound, at 20


EXPLORED = (  # of BANKING77: number, what it is, accuracy, cost of 1,000 in millionths
    (2, "static.v1", 0.9247, 0.781),
    (1, "ngram-linear.v1", 0.9149, 0.929),
    (10, "distil.v1 student=static of 7", 0.9256, 1.4),
    (9, "cascade.v1 of 2 and 8", 0.9409, 3.75),
    (13, "cascade.v1 dear=right of 2 and 12", 0.9409, 5.83),
    (12, "int8.v1 of 11", 0.9399, 9.0),
    (11, "distil.v1 of 7", 0.9399, 22.6),
    (6, "int8.v1 of 5", 0.9367, 24.1),
    (4, "int8.v1 of 3", 0.9321, 26.6),
    (8, "int8.v1 of 7", 0.9402, 32.9),
    (3, "frozen-linear.v1", 0.9315, 59.9),
    (5, "lora.v1", 0.9367, 61.5),
    (7, "full.v1", 0.9412, 64.6),
)


def test_names_do_not_cover_each_other() -> None:
    many = [
        replace(judged(number, accuracy, cost / 1e6), rung=name, report=sure(measured(accuracy, cost / 1e6)))
        for number, name, accuracy, cost in EXPLORED
    ]
    points, chosen = frontier(many, error_cost=None, within=0.005)
    svg = frontier_svg(Page("x", 1, 3_079, points, chosen, currency="USD"))
    named = r'text-anchor="(start|end)" transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*>(\d+ [a-z][^<]*)</text>'
    boxes = []
    for anchor, x, y, name in re.findall(named, svg):
        wide = 6.0 * len(name)
        left = float(x) - (wide if anchor == "end" else 0)
        boxes.append((name, left, left + wide, float(y)))
    assert len(boxes) == len(EXPLORED)
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[1] or other[2] <= one[1] or abs(one[3] - other[3]) >= 8
        assert apart, f"{one[0]} and {other[0]}"


def sure(report: Report) -> Report:
    """With an interval as narrow as 3,079 rows give."""
    value = report.headline_metric.value
    return replace(report, quality={**report.quality, "accuracy": Metric(value, value - 0.0085, value + 0.0085)})


def test_without_a_yes_the_page_says_that_none_is_chosen() -> None:
    html = frontier_html(page(passed=False))
    assert "None passed the gate" in html


def test_a_single_free_candidate_can_be_drawn() -> None:
    one = judged(1, 1.0, 0.0)
    points, chosen = frontier([one], error_cost=None, within=None)
    assert points[0].best and points[0].chosen
    assert frontier_svg(Page("x", 1, 10, points, chosen)).startswith("<svg")


@pytest.mark.parametrize(
    ("metric", "op", "threshold", "why"),
    [
        ("accuracy", ">=", 1.01, "never above 1"),
        ("accuracy", ">=", 1, "no number of test rows"),
        ("latency_p95_ms", "<=", 0, "always above 0"),
        ("cost_per_1000", "<=", -1, "always above 0"),
        ("ece", "<=", -0.1, "never below 0"),
        ("gross_margin", ">=", 1.5, "never above 1"),
    ],
)
def test_conditions_that_no_model_can_meet_are_known_beforehand(
    metric: str, op: str, threshold: float, why: str
) -> None:
    (found,) = impossible([needs(metric, op, threshold), needs("accuracy", ">=", 0.9)])
    assert metric in found and why in found


def test_a_margin_may_be_negative_and_a_latency_large() -> None:
    assert impossible([needs("gross_margin", "<=", -1), needs("latency_p95_ms", ">=", 5000)]) == []


def test_few_test_rows_cannot_prove_a_high_bound() -> None:
    (found,) = unprovable([needs("accuracy", ">=", 0.99)], 100)
    assert "0.963" in found
    assert "381 test rows" in found  # 1.96^2 * 0.99 / 0.01
    assert unprovable([needs("accuracy", ">=", 0.99)], 381) == []
