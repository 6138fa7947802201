"""Several runs on one self-contained HTML page: a chart with the table behind it, and a table of what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from penstock import installed
from penstock.core.clock import local_text
from penstock.core.errors import Broken, NotFound
from penstock.evaluation.html import Figure, Table
from penstock.evaluation.run_charts import DRAWN, Trace, run_chart
from penstock.evaluation.words import Say, speaker
from penstock.pipeline.runs.listing import compare_rows
from penstock.registry.runs import Run, curves_of, headline_of
from penstock.runtime.house import House

_MOST_POINTS = 12  # of a curve in the table behind the chart
_CHINESE = MappingProxyType(
    {
        "Runs side by side": "训练运行对比",
        "Runs of {product}": "{product} 的训练运行",
        "{count} runs": "{count} 次运行",
        "Curves, and quality against cost": "训练曲线，以及质量与成本",
        "The thin line is the loss of each batch, the thick one follows it. Points show the test rows' quality and the "
        "cost per 1,000, the lines their 95% intervals.": (
            "细线为每批的损失，粗线为其平滑。圆点为测试集上的质量与每千次成本，线段为其 95% 置信区间。"
        ),
        "What was measured, and what differs": "测量结果与差异",
        "Of parameters and origins only what differs is shown. A trial was scored on held-out training rows.": (
            "参数与来源仅列出不同之处。试验（trial）的得分来自留出的训练行。"
        ),
        "Loss": "损失",
        "Held-out quality": "留出集质量",
        "Step": "步",
        "Run": "运行",
        "Curve": "曲线",
        "kind": "类型",
        "state": "状态",
        "done": "完成",
        "failed": "失败",
        "cost": "训练成本",
        "candidate": "候选模型",
        "data version": "数据版本",
        "code": "代码",
        "machine": "机器",
        "error": "错误",
        "epsilon": "隐私预算 ε",
        "fidelity": "保真度",
    }
)


Draw = Callable[[Sequence[Trace], str, str, Mapping[str, str]], str | None]
"""Draws the picture of (traces, headline, locale, Chinese words) as SVG; None where there is nothing to draw."""


@dataclass(frozen=True)
class RunsPage:
    """Runs side by side in words. say: of the language it is in."""

    heading: str
    subheading: str
    figure: Figure | None
    note: str
    facts: Table
    say: Say


def runs_html(house: House, runs: Sequence[Run]) -> str:
    """The page as one string in the company's language, without scripts and without anything fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    locale = house.workspace.company.locale
    environment = Environment(
        loader=PackageLoader("penstock.evaluation", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["svg"] = lambda text: Markup(text)  # drawn here, and Vega escapes every label
    return environment.get_template("runs.html").render(locale=locale, **vars(runs_page(house, runs, locale)))


def runs_page(house: House, runs: Sequence[Run], locale: str, draw: Draw | None = None) -> RunsPage:
    """The same in words, for a page with a layout of its own. draw: None draws here."""
    product = house.workspace.products.get(runs[0].product)
    words = {**_CHINESE, **({} if product is None else installed.of(product).chinese)}
    say = speaker(locale, words)
    rows = compare_rows(runs)

    def shown(value: Any) -> str:
        return local_text(value, house.workspace.company.timezone) if isinstance(value, datetime) else say(value)

    title = product.title or runs[0].product if product is not None else runs[0].product
    currency = house.workspace.company.currency

    def drawn(traces: Sequence[Trace], headline: str) -> str | None:
        return run_chart(traces, headline, currency, say) if draw is None else draw(traces, headline, locale, words)

    return RunsPage(
        heading=say("Runs of {product}").format(product=title),
        subheading=say("{count} runs").format(count=len(runs)),
        figure=_figure(house, runs, say, drawn),
        note=say("Of parameters and origins only what differs is shown. A trial was scored on held-out training rows."),
        facts=Table(list(rows[0]), [[say(row[""]), *(shown(row[name]) for name in list(row)[1:])] for row in rows]),
        say=say,
    )


def _figure(
    house: House, runs: Sequence[Run], say: Say, draw: Callable[[Sequence[Trace], str], str | None]
) -> Figure | None:
    traces = [_trace(house, run, several=len({each.product for each in runs}) > 1) for run in runs]
    headline = next((name for run in runs if (name := headline_of(run)) is not None), "")
    drawn = draw(traces, headline)
    if drawn is None:
        return None
    title = say("Curves, and quality against cost")
    told = [f"{t.name} {t.quality.value:.3g}" for t in traces if t.quality is not None]
    caption = (
        "The thin line is the loss of each batch, the thick one follows it. Points show the test rows' quality and the "
        "cost per 1,000, the lines their 95% intervals."
    )
    return Figure(title, "", say(caption), f"{title}: {say(headline)} {', '.join(told)}", drawn, _behind(traces, say))


def _trace(house: House, run: Run, *, several: bool) -> Trace:
    headline = headline_of(run)
    try:
        curves = curves_of(house.blobs, run)
    except (NotFound, Broken):  # a blob that was cleaned away must not hide the rest of the page
        curves = {}
    return Trace(
        name=f"{f'{run.product}/' if several else ''}{run.number} · {run.rung}",
        curves={name: curves[name] for name in DRAWN if name in curves},
        quality=None if headline is None else run.metrics[headline],
        cost=run.metrics.get("cost_per_1000"),
    )


def _behind(traces: Sequence[Trace], say: Say) -> Table:
    rows: list[list[str]] = []
    titles = {"loss": say("Loss"), "held": say("Held-out quality")}
    for trace in traces:
        for name, points in trace.curves.items():
            rows += [[trace.name, titles[name], f"{x:g}", f"{y:.4g}"] for x, y in _some(points)]
    return Table([say("Run"), say("Curve"), say("Step"), say("Value")], rows, numbers_from=2)


def _some(points: Sequence[Any]) -> list[Any]:
    """The first, the last and some between, evenly."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    return [points[round(i * (len(points) - 1) / (_MOST_POINTS - 1))] for i in range(_MOST_POINTS)]
