"""The report's charts as self-contained SVG, drawn offline by Vega-Lite.

Labels may be in any language: a Noto CJK font is registered so that text is measured right; the page's reader draws it
with its own fonts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.evaluation.latency import Latency
from penstock.evaluation.measured import Chart, Classes
from penstock.evaluation.metrics import Calibration, ClassMetrics, top_confused
from penstock.evaluation.words import Say

MOST_BARS = 25
MOST_HEAT_CLASSES = 14
FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"

_INK, _MUTED, _GRID = "#1b2733", "#52606d", "#e4e9ee"
_BLUE, _DEEP, _ORANGE = "#5b93bf", "#0b2b45", "#b4530a"
_SERIES = ["#5b93bf", "#b4530a", "#17603a", "#7a4f9a", "#8a6d1d", "#9b1c1c"]
_ON_COLOUR = "#1b2734"  # ink on a cell of the heat map that stays as bright in the dark
_WIDTH, _NARROW = 620, 250  # of the drawn area; with its labels the narrow one fits a phone of 360 pixels
_LABELS, _NARROW_LABELS = 230, 100
_NARROW_HEAT_CLASSES = 7
_VARIABLES = {
    _INK: "ink",
    _MUTED: "soft",
    _GRID: "grid",
    _BLUE: "bar",
    _DEEP: "mark",
    _ORANGE: "accent",
    "#17603a": "green",
    "#7a4f9a": "violet",
    "#8a6d1d": "ochre",
    "#9b1c1c": "red",
    "#eef2f5": "cell",
}


def both(draw: Callable[[bool], str]) -> tuple[str, str]:
    """A chart for a page and for a phone, from what draws it wide (True) or narrow; colours left to the page."""
    return themed(draw(True)), themed(draw(False))


def themed(svg: str) -> str:
    """The chart with its colours as variables, --chart-ink and so on, so that the page it stands on may set them for
    the dark; without them they are as drawn. It holds no inline style, which a page's content policy may forbid."""
    svg = re.sub(r' style="max-width:(\d+)px"', r' width="\1"', svg, count=1)
    for colour, name in _VARIABLES.items():
        svg = re.sub(f'(fill|stroke)="{colour}"', rf'\1="var(--chart-{name}, {colour})"', svg)
    svg = re.sub(r'<rect width="[\d.]+" height="[\d.]+" fill="white"/>', "", svg, count=1)
    return svg.replace('stroke="white"', 'stroke="var(--chart-paper, white)"').replace(_ON_COLOUR, _INK)


def weakest(classes: Classes) -> tuple[ClassMetrics, ...]:
    """The classes the bar chart shows: all of them, or the 25 with the lowest F1; weakest first."""
    known = [each for each in classes.per_class if each.support or each.predicted]
    return tuple(sorted(known, key=lambda each: (each.f1.value, each.label))[:MOST_BARS])


def class_bars(classes: Sequence[ClassMetrics], say: Say, *, wide: bool = True) -> str:
    """Horizontal F1 bars with their intervals."""
    import altair as alt

    rows = [{"label": each.label, "f1": each.f1.value, "low": each.f1.low, "high": each.f1.high} for each in classes]
    base = alt.Chart({"values": rows}).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=_labels(wide), ticks=False, domain=False))
    )
    bars = base.mark_bar(color=_BLUE, height={"band": 0.62}).encode(
        x=alt.X("f1:Q", title="F1", scale=alt.Scale(domain=[0, 1]))
    )
    lines = base.mark_rule(color=_DEEP, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return svg((bars + lines).properties(width=_width(wide), height={"step": 22}))


def reliability(calibration: Calibration, say: Say, *, wide: bool = True) -> str:
    """Share of right answers against score, with intervals; the diagonal is perfect calibration."""
    import altair as alt

    rows = [
        {"score": b.confidence, "right": b.accuracy.value, "low": b.accuracy.low, "high": b.accuracy.high, "n": b.rows}
        for b in calibration.bins
    ]
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("score:Q", title=say("Mean score"), scale=unit)
    base = alt.Chart({"values": rows}).encode(x=x)
    diagonal = (
        alt.Chart({"values": [{"score": 0, "right": 0}, {"score": 1, "right": 1}]})
        .mark_line(color=_MUTED, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x=x, y="right:Q")
    )
    intervals = base.mark_rule(color=_BLUE, strokeWidth=2, opacity=0.6).encode(y="low:Q", y2="high:Q")
    points = base.mark_circle(color=_DEEP, opacity=1).encode(
        y=alt.Y("right:Q", title=say("Share right"), scale=unit),
        size=alt.Size("n:Q", legend=None, scale=alt.Scale(range=[40, 320])),
    )
    return svg(
        (diagonal + intervals + points).properties(width=360 if wide else _NARROW, height=320 if wide else _NARROW)
    )


def section_chart(chart: Chart, say: Say, *, wide: bool = True) -> str:
    """A task's own chart: horizontal bars with their intervals, or a line a series with its band."""
    import altair as alt

    several = len({point.series for point in chart.points}) > 1
    rows = [
        {
            "x": point.x if chart.kind == "lines" else say(str(point.x)),
            "y": point.y,
            "low": point.y if point.low is None else point.low,
            "high": point.y if point.high is None else point.high,
            "series": say(point.series),
        }
        for point in chart.points
    ]
    base = alt.Chart({"values": rows})
    scale, legend = alt.Scale(range=_SERIES), alt.Legend(orient="top", columns=0 if wide else 2)
    colour = alt.Color("series:N", title=None, sort=None, scale=scale, legend=legend)
    painted: dict[str, Any] = {"color": colour if several else alt.value(_BLUE)}
    if chart.kind == "lines":
        x, y = alt.X("x:Q", title=say(chart.x)), alt.Y("y:Q", title=say(chart.y), scale=alt.Scale(zero=False))
        band = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=say(chart.y)), y2="high:Q", **painted)
        line = base.mark_line(strokeWidth=2.2).encode(x=x, y=y, **painted)
        return svg((band + line).properties(width=_width(wide), height=260 if wide else 200))
    axis = alt.Axis(labelLimit=_labels(wide), ticks=False, domain=False)
    offset: dict[str, Any] = {"yOffset": alt.YOffset("series:N", sort=None)} if several else {}
    placed = base.encode(y=alt.Y("x:N", sort=None, title=None, axis=axis), **offset)
    bars = placed.mark_bar().encode(x=alt.X("y:Q", title=say(chart.x)), **painted)
    lines = placed.mark_rule(color=_DEEP, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    step = 22 * (len({point.series for point in chart.points}) if several else 1)
    return svg((bars + lines).properties(width=_width(wide), height={"step": max(22, step)}))


def latency_curve(latency: Latency, say: Say, *, wide: bool = True) -> str:
    """Share of calls answered within a time, with p50 and p95 and their intervals; the slowest 1% is cut off."""
    import altair as alt

    rows = [{"ms": ms, "share": i / 100} for i, ms in enumerate(latency.curve_ms[:100])]
    top = max(latency.curve_ms[99], latency.p95_ms.high)
    x = alt.X("ms:Q", title=say("Milliseconds"), scale=alt.Scale(domain=[0, top], nice=True))
    curve = (
        alt.Chart({"values": rows})
        .mark_line(color=_BLUE, strokeWidth=2.5, interpolate="step-after", clip=True)
        .encode(x=x, y=alt.Y("share:Q", title=say("Share answered"), axis=alt.Axis(format="%")))
    )
    marks = [
        {"name": f"{name} {found.value:.3g} ms", "ms": found.value, "low": found.low, "high": found.high, "share": at}
        for name, found, at in (("p50", latency.p50_ms, 0.5), ("p95", latency.p95_ms, 0.95))
    ]
    base = alt.Chart({"values": marks}).encode(y="share:Q")
    intervals = base.mark_rule(color=_ORANGE, strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(color=_ORANGE, filled=True, size=70, opacity=1).encode(x="ms:Q")
    # below and to the right of a rising curve there is always room
    names = base.mark_text(align="left", dx=10, dy=14, color=_INK, fontSize=12).encode(x="ms:Q", text="name:N")
    return svg(
        (curve + intervals + points + names).properties(width=430 if wide else _NARROW, height=320 if wide else 240)
    )


def confused_classes(classes: Classes) -> tuple[int, ...]:
    """The label indices of the heat map: those of the largest confused pairs, at most 14, pair mates side by side."""
    chosen: list[int] = []
    for pair in top_confused(classes.confusion, len(classes.confusion)):
        fresh = [i for i in (pair.truth, pair.predicted) if i not in chosen]
        if len(chosen) + len(fresh) <= MOST_HEAT_CLASSES:
            chosen += fresh
    return tuple(chosen)


def confusion_heat(classes: Classes, chosen: Sequence[int], say: Say, *, wide: bool = True) -> str:
    """Counts of true label (row) by answer (column) for the chosen labels; colour shows wrong answers only."""
    import altair as alt

    chosen = chosen if wide else chosen[:_NARROW_HEAT_CLASSES]
    names = [classes.labels[i] for i in chosen]
    shown = [cell for cell in classes.confusion if cell.truth in chosen and cell.predicted in chosen]
    most = max(cell.count for cell in shown if cell.truth != cell.predicted)
    rows = [
        {
            "truth": classes.labels[cell.truth],
            "predicted": classes.labels[cell.predicted],
            "n": cell.count,
            "wrong": cell.count if cell.truth != cell.predicted else 0,
        }
        for cell in shown
    ]
    axis = alt.Axis(labelLimit=170 if wide else _NARROW_LABELS, ticks=False, domain=False, grid=False)
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("predicted:N", sort=names, title=say("Answered"), axis=alt.Axis(labelAngle=-50, **_plain(axis))),
        y=alt.Y("truth:N", sort=names, title=say("True label"), axis=axis),
    )
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.condition(
            "datum.wrong == 0",
            alt.value("#eef2f5"),
            alt.Color("wrong:Q", legend=None, scale=alt.Scale(domain=[0, most], range=["#fdebd7", "#a33c00"])),
        )
    )
    counts = base.mark_text(fontSize=12).encode(
        text="n:Q",
        color=alt.when(f"datum.wrong > {most * 0.55}")
        .then(alt.value("white"))
        .when("datum.wrong > 0")
        .then(alt.value(_ON_COLOUR))
        .otherwise(alt.value(_INK)),
    )
    return svg((cells + counts).properties(width={"step": 30}, height={"step": 30}))


def _width(wide: bool) -> int:
    return _WIDTH if wide else _NARROW


def _labels(wide: bool) -> int:
    return _LABELS if wide else _NARROW_LABELS


def _plain(axis: Any) -> dict[str, Any]:
    plain: dict[str, Any] = axis.to_dict()
    return plain


def svg(chart: Any) -> str:
    """An altair chart in the house's style, as SVG that shrinks with its page."""
    import vl_convert

    _register_fonts()
    styled = (
        # room at the left: a reader's font may be wider than the one labels were measured with
        chart.configure(font=FONT, background="white", padding={"left": 28, "top": 5, "right": 12, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK,
            titleColor=_MUTED,
            gridColor=_GRID,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            tickColor=_GRID,
            domainColor=_MUTED,
        )
        .configure_axisQuantitative(labelOverlap="greedy", labelSeparation=8, tickCount=5)
    )
    text: str = vl_convert.vegalite_to_svg(styled.to_dict())
    return _scalable(text)


@cache
def _register_fonts() -> None:
    """Let Vega measure Chinese text; without the font package labels are measured as Latin and may be cut."""
    import vl_convert

    found = find_spec("noto_cjk_sans_otc")
    if found is not None and found.origin is not None:
        vl_convert.register_font_directory(str(Path(found.origin).parent))


def _scalable(svg: str) -> str:
    """Width and height of the root become a maximum, so that the chart shrinks with the page."""
    root, rest = svg.split(">", 1)
    width = re.search(r'\swidth="([\d.]+)"', root)
    root = re.sub(r'\s(width|height)="[\d.]+"', "", root)
    limit = f' style="max-width:{float(width[1]):.0f}px"' if width else ""
    return f'{root} aria-hidden="true" focusable="false"{limit}>{rest}'
