"""Draws the frontier: one chart of quality against cost as SVG, and a page of it with the table behind.

It formats points and a choice that were made elsewhere (see frontier.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.evaluation.charts import svg
from penstock.evaluation.choice import Choice
from penstock.evaluation.frontier import Point
from penstock.evaluation.html import Figure, Table
from penstock.evaluation.intervals import Metric
from penstock.evaluation.words import Say, plain_number, speaker
from penstock.workspace.records import Condition

_PASSED, _REFUSED, _CHOSEN, _LINE = "#17603a", "#9b1c1c", "#d98e04", "#5b93bf"
_INK, _MUTED = "#1b2733", "#52606d"
_WIDTH, _HEIGHT = 700, 400
_SMALL_COST = 0.001  # where the dearest costs less, costs are told in millionths
_CHINESE = {
    "Frontier": "前沿",
    "millionths of {currency}": "百万分之一 {currency}",
    "data version {version}, {rows} test rows": "数据版本 {version}，{rows} 行测试数据",
    "Quality against cost": "质量与成本",
    "passed": "通过",
    "refused": "未通过",
    "Each point is a candidate with its 95% intervals; the line joins those that no other beats in quality and cost; "
    "the ring marks the chosen one; dashed lines are the gate's.": (
        "每个点为一个候选模型及其 95% 置信区间；折线连接在质量与成本上均不被超越的候选；圆环为选中者；虚线为门禁条件。"
    ),
    "All candidates": "全部候选模型",
    "Cheapest first; intervals in brackets.": "按成本由低到高；括号内为置信区间。",
    "Not tried": "未尝试",
    "Why": "原因",
    "Margin": "毛利率",
    "Expected profit per 1,000": "每千次期望利润",
    "Gate": "门禁",
    "Chosen": "选中",
    "None passed the gate, so none is chosen": "没有候选通过门禁，故未选出",
    "profit": "期望利润最高",
    "within": "在允许差距内成本最低",
    "cheapest": "通过者中成本最低",
    "worth": "按每个错误回答值其售价计，价值最高",
    "the best of {alike} that cost the same within the measurement's noise": (
        "{alike} 个候选的成本在测量误差内相同，取质量最优者"
    ),
    "Model": "模型",
}


@dataclass(frozen=True)
class Page:
    """What the page is about. version: of the data; rows: of its test. not_tried: (what, why). gate: the product's."""

    title: str
    version: int
    rows: int
    points: Sequence[Point]
    choice: Choice | None
    gate: Sequence[Condition] = ()
    not_tried: Sequence[tuple[str, str]] = ()
    currency: str = ""
    locale: str = "en"


def frontier_svg(page: Page, chinese: Mapping[str, str] | None = None) -> str:
    """Quality with its interval against cost, on a logarithm where costs allow; one self-contained SVG."""
    import altair as alt

    say = _speaker(page, chinese)
    rows = [_row(point, page, say) for point in page.points]
    log = min(point.cost.low for point in page.points) > 0
    xscale = alt.Scale(type="log", nice=False, padding=30) if log else alt.Scale(padding=30)
    cost, headline = _cost_title(page, say), say(page.points[0].headline)
    x = alt.X("cost:Q", title=cost, scale=xscale, axis=alt.Axis(tickCount=6, format="~r"))
    y = alt.Y("quality:Q", title=headline, scale=alt.Scale(zero=False, padding=14), axis=alt.Axis(titlePadding=16))
    base = alt.Chart({"values": rows})
    kinds = alt.Scale(domain=[say("passed"), say("refused")], range=[_PASSED, _REFUSED])
    colour = alt.Color("gate:N", title=None, scale=kinds, legend=alt.Legend(orient="top"))
    best = base.transform_filter("datum.best").mark_line(
        color=_LINE, strokeWidth=2.5, opacity=0.7, interpolate="step-after"
    )
    ups = base.mark_rule(strokeWidth=2, opacity=0.5).encode(x=x, y=alt.Y("low:Q", title=headline), y2="high:Q")
    sides = base.mark_rule(strokeWidth=2, opacity=0.5).encode(x=alt.X("cost_low:Q", title=cost), x2="cost_high:Q", y=y)
    ring = base.transform_filter("datum.chosen").mark_point(size=420, strokeWidth=3.5, color=_CHOSEN, opacity=1)
    points = base.mark_circle(size=110, opacity=1).encode(x=x, y=y, color=colour)
    layers = [*_bounds(page), best.encode(x=x, y=y), ups.encode(color=colour), sides.encode(color=colour)]
    layers += [points, ring.encode(x=x, y=y), *_names(rows, x, y, log=log)]
    return svg(alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT))


def frontier_html(page: Page, chinese: Mapping[str, str] | None = None) -> str:
    """The page as one string, without scripts and without anything fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    say = _speaker(page, chinese)
    environment = Environment(
        loader=PackageLoader("penstock.evaluation", "templates"), autoescape=True, undefined=StrictUndefined
    )
    # drawn here, and Vega escapes every label; all else is escaped by the template
    environment.filters["svg"] = lambda text: Markup(text)
    shown = ", ".join(f"{p.number} {p.rung} {p.quality.value:.4f}" for p in page.points)
    table = point_table(page, say)
    figure = Figure(
        title=say("Quality against cost"),
        subtitle="",
        caption=say(
            "Each point is a candidate with its 95% intervals; the line joins those that no other beats in quality and "
            "cost; the ring marks the chosen one; dashed lines are the gate's."
        ),
        alternative=f"{say('Quality against cost')}: {shown}",
        svg=frontier_svg(page, chinese),
        table=table,
    )
    not_tried = Table([say("Model"), say("Why")], [list(each) for each in page.not_tried], numbers_from=2)
    return environment.get_template("frontier.html").render(
        locale=page.locale,
        say=say,
        heading=page.title,
        subheading=say("data version {version}, {rows} test rows").format(version=page.version, rows=f"{page.rows:,}"),
        verdict=_verdict(page, say),
        figure=figure,
        points=table,
        not_tried=not_tried if page.not_tried else None,
    )


def point_table(page: Page, say: Say) -> Table:
    """The points with their intervals, cheapest first."""
    profits = any(point.profit is not None for point in page.points)
    headline = say(page.points[0].headline) if page.points else ""
    header = [say("Candidate"), headline, _cost_title(page, say), say("latency_p95_ms"), say("Margin")]
    header += [say("Expected profit per 1,000")] if profits else []
    header += [say("Gate"), say("Frontier"), say("Chosen")]
    rows = []
    for point in page.points:
        margin = "–" if point.margin is None else f"{point.margin.value:.1%}"
        cells = [f"{point.number} {point.rung}", _interval(point.quality, _four)]
        cells += [_interval(point.cost, _cost_of(page)), plain_number(point.latency_p95_ms.value), margin]
        cells += ["–" if point.profit is None else _interval(point.profit, _profit)] if profits else []
        marks = (point.passed, point.best, point.chosen)
        rows.append([*cells, *(f"{'✓' if mark else '✗'} {say('yes') if mark else say('no')}" for mark in marks)])
    return Table(header, rows)


def _scale(page: Page) -> float:
    """What costs are multiplied by: a millionth is easier to read and to compare than 0.000000781."""
    costs = [point.cost.value for point in page.points]
    return 1e6 if page.currency and 0 < max(costs, default=0.0) < _SMALL_COST else 1.0


def _cost_title(page: Page, say: Say) -> str:
    unit = page.currency
    if _scale(page) > 1:
        unit = say("millionths of {currency}").format(currency=page.currency)
    return f"{say('cost_per_1000')}, {unit}" if unit else say("cost_per_1000")


def _cost_of(page: Page) -> Callable[[float], str]:
    scale = _scale(page)
    return lambda cost: plain_number(cost * scale)


def _row(point: Point, page: Page, say: Say) -> dict[str, Any]:
    scale = _scale(page)
    return {
        "name": f"{point.number} {point.rung.replace('.v1', '')}",
        "quality": point.quality.value,
        "low": point.quality.low,
        "high": point.quality.high,
        "cost": point.cost.value * scale,
        "cost_low": point.cost.low * scale,
        "cost_high": point.cost.high * scale,
        "gate": say("passed") if point.passed else say("refused"),
        "best": point.best,
        "chosen": point.chosen,
    }


def _names(rows: Sequence[Mapping[str, Any]], x: Any, y: Any, *, log: bool) -> list[Any]:
    """Each point's name, in that corner of it where it lies on the fewest points and other names."""
    import altair as alt

    corners: list[tuple[Any, int, int]] = [
        (align, dx, dy) for dy in (-10, 14) for align, dx in (("left", 9), ("right", -9))
    ]
    placed = _corners(rows, corners, log=log)
    return [
        alt.Chart({"values": mine})
        .mark_text(align=align, dx=dx, dy=dy, color=_INK, fontSize=12)
        .encode(x=x, y=y, text="name:N")
        for index, (align, dx, dy) in enumerate(corners)
        if (mine := [row for row, corner in zip(rows, placed, strict=True) if corner == index])
    ]


def _corners(rows: Sequence[Mapping[str, Any]], corners: Sequence[tuple[Any, int, int]], *, log: bool) -> list[int]:
    """The corner of each row's name, by index: one after the other, each where it covers least of what is there."""
    costs, cheapest, dearest = (
        [math.log(row[name]) if log else row[name] for row in rows] for name in ("cost", "cost_low", "cost_high")
    )
    across = _pixels(costs, min(cheapest), max(dearest), _WIDTH - 60)
    worst, best = min(row["low"] for row in rows), max(row["high"] for row in rows)
    up = _pixels([-row["quality"] for row in rows], -best, -worst, _HEIGHT - 28)
    taken = [(left - 8, top - 8, left + 8, top + 8) for left, top in zip(across, up, strict=True)]
    chosen = []
    for row, left, top in zip(rows, across, up, strict=True):
        wide = 6.6 * len(row["name"])  # of a 12-pixel letter, on average
        boxes = [
            (
                left + dx - (wide if align == "right" else 0),
                top + dy - 8,
                left + dx + (wide if dx > 0 else 0),
                top + dy + 6,
            )
            for align, dx, dy in corners
        ]
        covered = [sum(_cover(box, other) for other in taken) + (1e6 if box[0] < -40 else 0) for box in boxes]
        chosen.append(covered.index(min(covered)))
        taken.append(boxes[chosen[-1]])
    return chosen


def _pixels(values: Sequence[float], low: float, high: float, length: float) -> list[float]:
    """Where values stand on an axis of that length from low to high."""
    return [length * (value - low) / (high - low or 1) for value in values]


def _cover(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The area that two boxes (left, top, right, bottom) share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    return max(0.0, wide) * max(0.0, min(one[3], other[3]) - max(one[1], other[1]))


def _bounds(page: Page) -> list[Any]:
    """The gate's own bounds on what the axes show, where they lie near the points: one far off would press all the
    points into a corner."""
    import altair as alt

    points = page.points
    quality = [end for point in points for end in (point.quality.low, point.quality.high)]
    cost = [end for point in points for end in (point.cost.low, point.cost.high)]
    room = max(quality) - min(quality)
    layers = []
    for condition in page.gate:
        bound = condition.threshold
        rule = alt.Chart({"values": [{"bound": bound}]}).mark_rule(color=_MUTED, strokeDash=[5, 4], strokeWidth=1.5)
        if condition.metric == points[0].headline and min(quality) - room <= bound <= max(quality) + room:
            layers.append(rule.encode(y="bound:Q"))
        elif condition.metric == "cost_per_1000" and min(cost) / 3 <= bound <= max(cost) * 3:
            layers.append(rule.transform_calculate(bound=f"datum.bound * {_scale(page)}").encode(x="bound:Q"))
    return layers


def _verdict(page: Page, say: Say) -> tuple[str, str, str]:
    """CSS class, sign and words."""
    if page.choice is None:
        return "no", "✗", say("None passed the gate, so none is chosen")
    point = next(point for point in page.points if point.chosen)
    name = f"{point.number} {point.rung}"
    if page.locale == "zh-CN":
        alike = say("the best of {alike} that cost the same within the measurement's noise")
        more = f"；{alike.format(alike=page.choice.alike)}" if page.choice.alike > 1 else ""
        return "yes", "✓", f"{say('Chosen')}：{name}（{say(page.choice.rule)}{more}）"
    return "yes", "✓", f"Chosen: {name}. It {page.choice.text}."


def _interval(found: Metric, show: Callable[[float], str]) -> str:
    return f"{show(found.value)} ({show(found.low)} – {show(found.high)})"


def _four(share: float) -> str:
    return f"{share:.4f}"


def _profit(amount: float) -> str:
    return plain_number(amount, 4)


def _speaker(page: Page, chinese: Mapping[str, str] | None) -> Say:
    return speaker(page.locale, {**_CHINESE, **(chinese or {})})
