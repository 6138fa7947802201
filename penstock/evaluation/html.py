"""One self-contained HTML page about a candidate: cards, the decision, charts with a table behind each, errors, hashes.

It formats what it is given; it measures nothing, decides nothing and loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from penstock.datasets.report import COLUMN_KINDS, CleaningReport, Finding
from penstock.evaluation import charts
from penstock.evaluation.intervals import Metric
from penstock.evaluation.measured import Chart, Classes, Section, WrongAnswer
from penstock.evaluation.metrics import top_confused
from penstock.evaluation.report import Report
from penstock.evaluation.words import SHARES, Say, finding_in_words, plain_number, reason_in_words, speaker

_CARDS = ("latency_p95_ms", "cost_per_1000", "gross_margin")
_MOST_QUALITY_CARDS = 5
_TINY = "<\u00a00.0001"  # one word: a narrow card must not break it
_PERCENTILES = (5, 25, 50, 75, 90, 95, 99)


@dataclass(frozen=True)
class Card:
    """A headline figure."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True)
class Table:
    """Header cells and rows of text; columns from `numbers_from` on hold numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 1


@dataclass(frozen=True)
class Figure:
    """A chart with its words: what it shows (also read aloud), and the table behind it. svg, narrow: drawn for a page
    and for a phone; both take their colours from the page they stand on."""

    title: str
    subtitle: str
    caption: str
    alternative: str
    svg: str
    table: Table
    narrow: str = ""


@dataclass(frozen=True)
class Page:
    """A report in words: what its page shows, from top to bottom. verdict: CSS class, sign and words. reasons: metric,
    held or not, the sentence. figures: None while they are drawn. halves: the last two may stand side by side."""

    heading: str
    subheading: str
    rows_text: str
    verdict: tuple[str, str, str]
    cards: Sequence[Card]
    reasons: Sequence[tuple[str, bool, str]]
    figures: Sequence[Figure] | None
    halves: bool
    tables: Sequence[tuple[str, str, Table]]
    errors: Sequence[WrongAnswer] | None
    cost: Sequence[tuple[str, str]]
    cleaning: Table | None
    facts: Sequence[tuple[str, str]]


def report_html(
    report: Report,
    candidate: Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    cleaning: Mapping[str, Any] | None,
    locale: str,
    chinese: Mapping[str, str] = MappingProxyType({}),
    figures: Sequence[Figure] | None = None,
) -> str:
    """The page as one string, without scripts and without anything fetched. Arguments as of `report_page`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    say = speaker(locale, chinese)
    environment = Environment(
        loader=PackageLoader("penstock.evaluation", "templates"), autoescape=True, undefined=StrictUndefined
    )
    # the charts are drawn here and Vega escapes every label; all else is escaped by the template
    environment.filters["svg"] = lambda text: Markup(text)
    page = report_page(report, candidate, decision, cleaning, locale, chinese, figures)
    return environment.get_template("report.html").render(locale=locale, say=say, **vars(page))


def report_page(
    report: Report,
    candidate: Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    cleaning: Mapping[str, Any] | None,
    locale: str,
    chinese: Mapping[str, str] = MappingProxyType({}),
    figures: Sequence[Figure] | None = None,
) -> Page:
    """The report in words.

    candidate: facts to show (product, title, number, rung, artifact, …; `currency` labels the costs). decision: a
    registry decision's JSON. cleaning: a cleaning report's JSON. locale: "en" or "zh-CN". chinese: the task's
    own words. figures: what `report_figures` drew of the same report before; drawn now where they are None.
    """
    say = speaker(locale, chinese)
    facts = {key: value for key, value in candidate.items() if value not in (None, "", (), [], {})}
    currency = str(facts.get("currency", ""))
    return Page(
        heading=str(facts.get("title") or facts.get("product") or say("Candidate")),
        subheading=_subheading(facts, say),
        rows_text=_rows_text(report, say),
        verdict=_verdict(decision, say),
        cards=[_card(report, name, currency, say) for name in (*list(report.quality)[:_MOST_QUALITY_CARDS], *_CARDS)],
        reasons=_reasons(decision, locale, say),
        figures=report_figures(report, locale, chinese) if figures is None else figures,
        halves=report.classes is not None,
        tables=[
            *_without_a_model(report, say),
            *(_table_section(section, say) for section in report.sections if section.chart is None),
        ],
        errors=None if report.classes is None else report.classes.worst_errors,
        cost=_cost(report, currency, say),
        cleaning=_cleaning(cleaning, say),
        facts=_facts(report, facts, decision, say),
    )


def report_figures(
    report: Report, locale: str, chinese: Mapping[str, str] = MappingProxyType({})
) -> tuple[Figure, ...]:
    """The report's charts, drawn: a second or two of computing, the same for the same arguments."""
    return tuple(_figures(report, speaker(locale, chinese)))


def _rows_text(report: Report, say: Say) -> str:
    rows = say("{rows} test rows").format(rows=f"{report.rows:,}")
    strange = report.rows_of_unknown_labels
    told = say("{rows} of them have a label that the training rows lack, and count as wrong.")
    return f"{rows} · {told.format(rows=f'{strange:,}')}" if strange else rows


def _subheading(facts: Mapping[str, Any], say: Say) -> str:
    number = f"{say('Candidate')} {facts['number']}" if "number" in facts else say("Candidate")
    made = str(facts.get("created_at", ""))
    return " · ".join(part for part in (number, str(facts.get("rung", "")), made) if part)


def _verdict(decision: Mapping[str, Any] | None, say: Say) -> tuple[str, str, str]:
    """CSS class, sign and words."""
    if decision is None:
        return "open", "–", say("Not judged yet")
    return ("yes", "✓", say("Passed the gate")) if decision["passed"] else ("no", "✗", say("Refused by the gate"))


def _card(report: Report, name: str, currency: str, say: Say) -> Card:
    found = report.metric(name)
    if found is None:
        return Card(say(name), "–", say("none: the lowest price is zero"))
    show = _shower(name, currency)
    low, high = show(found.low), show(found.high)
    return Card(say(name), show(found.value), low if low == high else f"{low} – {high}")


def _shower(name: str, currency: str) -> Callable[[float], str]:
    if name in SHARES:
        return _percent
    if name == "cost_per_1000":
        return lambda value: f"{plain_number(value) if value >= 0.0001 else _TINY} {currency}".strip()
    if name.endswith("_ms"):
        return lambda value: f"{value:.3g} ms"
    return lambda value: f"{value:.3f}"


def _percent(share: float) -> str:
    """100% only when it is all of it."""
    text = f"{share:.1%}" if abs(share) < 10 else f"{share:,.0%}"
    return "> 99.9%" if text == "100.0%" and share < 1 else text


def _reasons(decision: Mapping[str, Any] | None, locale: str, say: Say) -> list[tuple[str, bool, str]]:
    """Metric, held or not, the sentence."""
    if decision is None:
        return []
    return [(say(r["metric"]), bool(r["passed"]), reason_in_words(r, locale, say)) for r in decision["reasons"]]


def _figures(report: Report, say: Say) -> list[Figure]:
    drawn = [_section(section, section.chart, say) for section in report.sections if section.chart is not None]
    if report.classes is None:
        return [*drawn, _latency(report, say)]
    classes = report.classes
    return [_bars(classes, say), *_heat(classes, say), *drawn, _reliability(classes, say), _latency(report, say)]


def _section(section: Section, chart: Chart, say: Say) -> Figure:
    shown = ", ".join(f"{point.series} {point.x} {point.y:.3g}".strip() for point in chart.points[:5])
    title, table = say(section.title), _section_table(section, say)
    svg, narrow = charts.both(lambda wide: charts.section_chart(chart, say, wide=wide))
    return Figure(title, "", say(section.note), f"{title}: {shown}", svg, table, narrow)


def _table_section(section: Section, say: Say) -> tuple[str, str, Table]:
    return say(section.title), say(section.note), _section_table(section, say)


def _without_a_model(report: Report, say: Say) -> list[tuple[str, str, Table]]:
    if not report.trivial:  # a report from before it was measured
        return []
    header = ("Metric", "Way", "Without", "With the model", "Better by", "95% interval", "More than chance")
    rows = [
        [
            say(each.metric),
            say(each.how),
            plain_number(each.value, 4),
            plain_number(report.quality[each.metric].value, 4),
            f"{each.difference.value:+.4f}",
            f"{each.difference.low:+.4f} – {each.difference.high:+.4f}",
            say("yes" if each.beaten else "no"),
        ]
        for each in report.trivial
    ]
    note = "What needs no model, on the same test rows. The gate demands more of the metrics that it names."
    return [(say("Without a model"), say(note), Table([say(cell) for cell in header], rows, numbers_from=2))]


def _section_table(section: Section, say: Say) -> Table:
    bars = section.chart.points if section.chart is not None and section.chart.kind == "bars" else ()
    names = {str(point.x): say(str(point.x)) for point in bars if "_" not in str(point.x)}  # not those of data columns
    rows = [[names.get(first, first), *rest] for first, *rest in section.rows]
    return Table([say(cell) for cell in section.header], rows, section.numbers_from)


def _bars(classes: Classes, say: Say) -> Figure:
    shown, total = charts.weakest(classes), len(classes.per_class)
    phrase = "all {total} classes" if len(shown) == total else "the {shown} weakest of {total} classes"
    subtitle = say(phrase).format(shown=len(shown), total=total)
    every = sorted(classes.per_class, key=lambda each: (each.f1.value, each.label))
    rows = [[c.label, str(c.support), *map(_share, (c.precision, c.recall, c.f1))] for c in every]
    header = [say("Label"), say("Rows"), say("Precision"), say("Recall"), "F1"]
    alternative = f"{say('F1 per class')}, {subtitle}: " + ", ".join(f"{c.label} {c.f1.value:.2f}" for c in shown[:5])
    caption = say("The bar is the F1 on the test rows, the line its 95% interval.")
    svg, narrow = charts.both(lambda wide: charts.class_bars(shown, say, wide=wide))
    return Figure(say("F1 per class"), subtitle, caption, alternative, svg, Table(header, rows), narrow)


def _heat(classes: Classes, say: Say) -> list[Figure]:
    title = say("Most confused classes")
    chosen = charts.confused_classes(classes)
    if not chosen:
        return []
    names, pairs = classes.labels, top_confused(classes.confusion)
    rows = [[names[pair.truth], names[pair.predicted], str(pair.count)] for pair in pairs]
    alternative = f"{title}: " + ", ".join(f"{truth} → {answer} {times}×" for truth, answer, times in rows[:5])
    caption = say("Each cell counts test rows of one true label (row) by the label answered (column).")
    table = Table([say("True label"), say("Answered"), say("Times")], rows, numbers_from=2)
    svg, narrow = charts.both(lambda wide: charts.confusion_heat(classes, chosen, say, wide=wide))
    return [Figure(title, "", caption, alternative, svg, table, narrow)]


def _reliability(classes: Classes, say: Say) -> Figure:
    calibration = classes.calibration
    bins = calibration.bins
    rows = [[f"{b.lower:.2f} – {b.upper:.2f}", str(b.rows), f"{b.confidence:.3f}", _share(b.accuracy)] for b in bins]
    header = [say("Score"), say("Rows"), say("Mean score"), say("Share right")]
    alternative = f"{say('Reliability')}: {say('ece')} {calibration.ece.value:.3f}"
    caption = say("A calibrated model lies on the diagonal: of answers scored 0.8, 80% are right.")
    svg, narrow = charts.both(lambda wide: charts.reliability(calibration, say, wide=wide))
    return Figure(say("Reliability"), "", caption, alternative, svg, Table(header, rows), narrow)


def _latency(report: Report, say: Say) -> Figure:
    found = report.latency
    rows = [[f"p{p}", f"{found.curve_ms[p]:.3g}"] for p in _PERCENTILES]
    alternative = f"{say('Latency')}: p50 {found.p50_ms.value:.3g} ms, p95 {found.p95_ms.value:.3g} ms"
    caption = say("Share of single predictions answered within a time, on the machine named below.")
    svg, narrow = charts.both(lambda wide: charts.latency_curve(found, say, wide=wide))
    table = Table([say("Percentile"), say("Milliseconds")], rows)
    return Figure(say("Latency"), f"{found.calls:,} × {found.load.rounds}", caption, alternative, svg, table, narrow)


def _share(found: Metric) -> str:
    return f"{found.value:.3f} ({found.low:.3f} – {found.high:.3f})"


def _cost(report: Report, currency: str, say: Say) -> list[tuple[str, str]]:
    cost, margin = report.cost, report.gross_margin
    seconds = cost.cpu_s_per_1000
    per_1000 = report.cost_per_1000
    show = _shower("gross_margin", "")
    left = (
        say("none: the lowest price is zero")
        if margin is None
        else f"{show(margin.value)} ({show(margin.low)} – {show(margin.high)})"
    )
    used, least, most = (plain_number(each) for each in (seconds.value, seconds.low, seconds.high))
    low, high = plain_number(per_1000.low), plain_number(per_1000.high)
    return [
        (say("Core-seconds per 1,000"), f"{used} ({least} – {most})"),
        (say("Cost of a core-hour"), f"{cost.cpu_core_hour} {currency}"),
        (say("Cost per 1,000"), f"{plain_number(per_1000.value)} {currency} ({low} – {high})"),
        (say("Lowest price per 1,000"), f"{cost.price_per_1000} {currency}"),
        (say("Gross margin"), left),
    ]


def _facts(
    report: Report, facts: Mapping[str, Any], decision: Mapping[str, Any] | None, say: Say
) -> list[tuple[str, str]]:
    machine = report.latency.machine
    described = f"{machine.cpu}, {machine.cores} {say('cores')}, {machine.system}, {', '.join(machine.features)}"
    of_decision = (
        {key: decision[key] for key in ("incumbent", "test_uses", "signature") if decision.get(key)}
        if (decision)
        else {}
    )
    shown = {key: value for key, value in facts.items() if key != "currency"} | of_decision
    return [
        *((say(key), str(value)) for key, value in shown.items()),
        (say("test rows"), report.rows_digest),
        (say("Machine"), described.rstrip(", ")),
        (say("Other work meanwhile"), say("{busy} of the machine").format(busy=f"{report.latency.load.busy:.0%}")),
        ("onnxruntime", machine.onnxruntime),
        ("Python", machine.python),
    ]


def _cleaning(data: Mapping[str, Any] | None, say: Say) -> Table | None:
    """What cleaning counted: (finding, part, found, dropped)."""
    if data is None:
        return None
    found = CleaningReport.from_json(data)
    rows = [
        [say("rows read"), say("train"), f"{found.read_train:,}", ""],
        [say("rows read"), say("test"), f"{found.read_test:,}", ""],
        *([finding_in_words(f, say), say(f.part), f"{f.found:,}", _rows_dropped(f)] for f in found.findings),
        [say("rows kept"), say("train"), f"{found.rows_train:,}", ""],
        [say("rows kept"), say("test"), f"{found.rows_test:,}", ""],
    ]
    return Table([say("Finding"), say("Part"), say("Found"), say("Dropped")], rows, numbers_from=2)


def _rows_dropped(finding: Finding) -> str:
    """Of columns no row is counted."""
    return "" if finding.kind in COLUMN_KINDS else f"{finding.dropped:,}"
