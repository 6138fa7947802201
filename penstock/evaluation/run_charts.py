"""One picture of several trainings: their curves of loss and held-out quality, and what they reached at which cost.

It draws what it is given; it knows no registry and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.evaluation.charts import svg
from penstock.evaluation.intervals import Metric
from penstock.evaluation.words import Say

COLOURS = (
    "#2b6ca3",
    "#b4530a",
    "#17603a",
    "#7a4f9a",
    "#9b1c1c",
    "#8a6d1d",
    "#2a8f8f",
    "#c2528b",
    "#5d6d7e",
    "#7fae3f",
    "#4b3fa0",
    "#d98e04",
)
DRAWN = ("loss", "held")  # the curves that are drawn, in this order; the rest stays in the run
_TITLES = {"loss": "Loss", "held": "Held-out quality"}
_KEPT = 0.8  # of the line before, in each step of the smoothed line: batches of 32 rows jump too much to read
_WIDTH, _HEIGHT = 560, 200


@dataclass(frozen=True)
class Trace:
    """A run to draw. quality, cost: None where they were not measured. curves: name -> (step, value) points."""

    name: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    quality: Metric | None = None
    cost: Metric | None = None


def run_chart(traces: Sequence[Trace], headline: str, currency: str, say: Say) -> str | None:
    """The picture as SVG, one panel above the other, a colour a run; None when there is nothing to draw."""
    import altair as alt

    names = [trace.name for trace in traces if any(trace.curves.get(name) for name in DRAWN) or _placed(trace)]
    scale = alt.Scale(domain=names, range=list(COLOURS))
    legend = alt.Legend(orient="top", columns=4, labelLimit=260, symbolType="circle", symbolOpacity=1)
    colour = alt.Color("run:N", title=None, scale=scale, legend=legend)
    panels = [panel for name in DRAWN if (panel := _curve(traces, name, colour, say)) is not None]
    scatter = _scatter(traces, colour, say(headline), currency, say)
    if scatter is not None:
        panels.append(scatter)
    if not panels:
        return None
    return svg(alt.vconcat(*panels, spacing=28).resolve_scale(color="shared"))


def _curve(traces: Sequence[Trace], name: str, colour: Any, say: Say) -> Any:
    """Every value faint, and above it a line that follows them; held-out quality is as measured."""
    import altair as alt

    rows = [row for trace in traces for row in _curve_rows(trace, name)]
    if not rows:
        return None
    y = alt.Y("value:Q", title=say(_TITLES[name]), scale=alt.Scale(zero=False))
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("step:Q", title=say("Step"), axis=alt.Axis(tickCount=8)), color=colour
    )
    if name != "loss":
        lines = base.mark_line(strokeWidth=2).encode(y=y) + base.mark_circle(size=36, opacity=1).encode(y=y)
    else:
        faint = base.mark_line(strokeWidth=1, opacity=0.22).encode(y=y)
        lines = faint + base.mark_line(strokeWidth=2.2).encode(y=alt.Y("smooth:Q", title=say(_TITLES[name])))
    return lines.properties(width=_WIDTH, height=_HEIGHT)


def _curve_rows(trace: Trace, name: str) -> Iterator[dict[str, Any]]:
    smooth: float | None = None
    for step, value in trace.curves.get(name, ()):
        smooth = value if smooth is None else _KEPT * smooth + (1 - _KEPT) * value
        yield {"run": trace.name, "step": step, "value": value, "smooth": smooth}


def _placed(trace: Trace) -> bool:
    return trace.quality is not None and trace.cost is not None


def _scatter(traces: Sequence[Trace], colour: Any, headline: str, currency: str, say: Say) -> Any:
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            "run": trace.name,
            "quality": trace.quality.value,
            "low": trace.quality.low,
            "high": trace.quality.high,
            "cost": trace.cost.value,
            "cost_low": trace.cost.low,
            "cost_high": trace.cost.high,
        }
        for trace in traces
        if trace.quality is not None and trace.cost is not None
    ]
    if not rows:
        return None
    title = f"{say('Cost per 1,000')}, {currency}" if currency else say("Cost per 1,000")
    # costs lie powers of ten apart; a logarithm needs them above nothing
    scale = alt.Scale(type="log", nice=False, padding=16) if min(row["cost_low"] for row in rows) > 0 else alt.Scale()
    base = alt.Chart({"values": rows}).encode(color=colour)
    quality, cost = alt.Y("quality:Q", title=headline, scale=alt.Scale(zero=False)), alt.X("cost:Q", scale=scale)
    ups = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x=cost, y=alt.Y("low:Q", title=headline), y2="high:Q")
    sides = base.mark_rule(strokeWidth=2, opacity=0.6).encode(
        x=alt.X("cost_low:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6)), x2="cost_high:Q", y=quality
    )
    points = base.mark_circle(size=90, opacity=1).encode(x=cost, y=quality)
    return (sides + ups + points).properties(width=_WIDTH, height=_HEIGHT + 40)
