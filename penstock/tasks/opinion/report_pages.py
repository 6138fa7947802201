"""The monthly report as one self-contained HTML page and as PDF, in English and in Chinese, from the same content.

It draws what it is given: charts by Vega-Lite with a table behind each, nothing fetched, no scripts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from importlib.resources import files
from typing import Any

from penstock.core.clock import zone_of
from penstock.evaluation import charts
from penstock.tasks.opinion.alerts import Alert
from penstock.tasks.opinion.i18n import words
from penstock.tasks.opinion.report import EntityMonth, Month

MOST_LINES = 6
ALERT_QUOTES = 3
_COLOURS = ["#5b93bf", "#b4530a", "#17603a", "#7a4f9a", "#8a6d1d", "#9b1c1c"]
_TONES = {"share_negative": "#b4530a", "share_neutral": "#cfd8e0", "share_positive": "#2f7d57"}


def html(month: Month, *, customer: str, locale: str) -> str:
    """The page as one string. customer: whom it is prepared for, "" for the company itself."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("penstock.tasks.opinion", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["svg"] = lambda text: Markup(text)  # Vega escapes every label; all else the template does
    return environment.get_template("report.html").render(content(month, customer=customer, locale=locale))


def pdf(month: Month, *, customer: str, locale: str, now: datetime) -> bytes:
    """An A4 document. The same month gives the same bytes."""
    import typst

    # the text travels as data, never as markup: what a document says cannot become a command
    told = json.dumps(content(month, customer=customer, locale=locale), ensure_ascii=False, sort_keys=True)
    return bytes(
        typst.compile(
            str(files("penstock.tasks.opinion").joinpath("templates", "report.typ")),
            font_paths=[str(files("noto_cjk_sans_otc"))],
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"report": told},
            timestamp=int(now.timestamp()),
        )
    )


def content(month: Month, *, customer: str, locale: str) -> dict[str, Any]:
    """All that is said, as text in the reader's language, with both charts as SVG."""
    say = words(locale)
    named = [one for one in month.entities if one.mentions or one.before]
    some = [one for one in named if one.mentions]
    return {
        "locale": locale,
        "words": dict(say),
        "heading": month.title,
        "month": _month(month.period.start.astimezone(zone_of(month.timezone)).date(), locale),
        "company": month.company,
        "customer": customer,
        "cards": [
            (say["documents"], _number(month.documents, locale)),
            (say["naming"], _number(month.naming, locale)),
            (say["mentions"], _number(sum(one.mentions for one in named), locale)),
            (say["alerts"], _number(len(month.alerts), locale)),
        ],
        "glance": {
            "header": [
                say[key] for key in ("entity", "mentions", "before", "change", "share_negative", "share_positive")
            ],
            "rows": [_glance(one, locale) for one in named],
        },
        "volume": volume_svg(month, some[:MOST_LINES], say) if some else "",
        "volume_table": {
            "header": [say["day"], *(one.name for one in some)],
            "rows": [
                [_day(day, locale), *(_number(one.by_day[place], locale) for one in some)]
                for place, day in enumerate(month.days)
            ],
        },
        "tone": tone_svg(some, say) if some else "",
        "tone_table": {
            "header": [say["entity"], say["share_negative"], say["share_neutral"], say["share_positive"]],
            "rows": [
                [one.name, *(_share(part, one.mentions, locale) for part in (one.negative, one.neutral, one.positive))]
                for one in some
            ],
        },
        "alerts": [_alert(one, say, locale, month.timezone) for one in month.alerts],
        "quotes": [_quoted(one, say, locale, month.timezone) for one in some if one.quotes],
    }


def volume_svg(month: Month, entities: Sequence[EntityMonth], say: Mapping[str, str]) -> str:
    """A line per entity, by day; alerts of volume are marked on it."""
    import altair as alt

    rows = [
        {"day": day.isoformat(), "mentions": one.by_day[place], "entity": one.name}
        for one in entities
        for place, day in enumerate(month.days)
    ]
    names = [one.name for one in entities]
    x = alt.X("day:O", title=None, axis=alt.Axis(labelExpr="slice(datum.label, 8)", labelAngle=0, labelOverlap=True))
    y = alt.Y("mentions:Q", title=say["mentions"], axis=alt.Axis(tickMinStep=1))
    colour = alt.Color(
        "entity:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names, range=_COLOURS[: len(names)]),
        legend=alt.Legend(orient="top", labelLimit=200, columns=3),
    )
    lines = alt.Chart({"values": rows}).mark_line(strokeWidth=2.2).encode(x=x, y=y, color=colour)
    marks = _marks(month, entities)
    layers = [lines]
    if marks:
        layers.append(alt.Chart({"values": marks}).mark_circle(size=90, opacity=1).encode(x=x, y=y, color=colour))
    return charts.svg(alt.layer(*layers).properties(width=620, height=240))


def tone_svg(entities: Sequence[EntityMonth], say: Mapping[str, str]) -> str:
    """A bar per entity: the shares of negative, neutral and positive mentions."""
    import altair as alt

    parts = [("share_negative", "negative"), ("share_neutral", "neutral"), ("share_positive", "positive")]
    rows = [
        {"entity": one.name, "tone": say[word], "share": getattr(one, field) / one.mentions, "order": place}
        for one in entities
        for place, (word, field) in enumerate(parts)
    ]
    scale = alt.Scale(domain=[say[word] for word in _TONES], range=list(_TONES.values()))
    chart = (
        alt.Chart({"values": rows})
        .mark_bar(height={"band": 0.62})
        .encode(
            y=alt.Y("entity:N", sort=None, title=None, axis=alt.Axis(labelLimit=230, ticks=False, domain=False)),
            x=alt.X("share:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("tone:N", title=None, sort=None, scale=scale, legend=alt.Legend(orient="top")),
            order="order:Q",
        )
    )
    return charts.svg(chart.properties(width=560, height={"step": 24}))


def _marks(month: Month, entities: Sequence[EntityMonth]) -> list[dict[str, Any]]:
    zone = zone_of(month.timezone)
    shown = {one.name: one for one in entities}
    marks = []
    for alert in month.alerts:
        day = alert.first.astimezone(zone).date()
        if alert.kind == "volume" and alert.entity in shown and day in month.days:
            many = shown[alert.entity].by_day[month.days.index(day)]
            marks.append({"day": day.isoformat(), "mentions": many, "entity": alert.entity})
    return marks


def _glance(one: EntityMonth, locale: str) -> list[str]:
    change = "–" if not one.before else _percent((one.mentions - one.before) / one.before, locale, signed=True)
    return [
        one.name,
        _number(one.mentions, locale),
        _number(one.before, locale),
        change,
        _share(one.negative, one.mentions, locale),
        _share(one.positive, one.mentions, locale),
    ]


def _alert(alert: Alert, say: Mapping[str, str], locale: str, timezone: str) -> dict[str, Any]:
    zone = zone_of(timezone)
    state = say["muted"] if alert.muted and alert.state == "open" else say[alert.state]
    return {
        "entity": alert.entity,
        "kind": say[alert.kind],
        "tone": "positive" if alert.kind == "positive" else "negative",
        "numbers": [
            (say["since"], _moment(alert.onset.astimezone(zone), alert.bucket, locale)),
            (say["until"], _moment(alert.last.astimezone(zone), alert.bucket, locale)),
            (say["observed"], _number(alert.observed, locale)),
            (say["expected"], _decimal(alert.expected, locale)),
            (say["state"], state),
        ],
        "documents": [_document(one, say, locale, timezone) for one in alert.documents[:ALERT_QUOTES]],
    }


def _quoted(one: EntityMonth, say: Mapping[str, str], locale: str, timezone: str) -> dict[str, Any]:
    return {
        "entity": one.name,
        "documents": [
            {"tone": say[f"share_{tone}"], "kind": tone, **_document(quote.to_json(), say, locale, timezone)}
            for tone, quote in one.quotes
        ],
    }


def _document(quote: Mapping[str, Any], say: Mapping[str, str], locale: str, timezone: str) -> dict[str, str]:
    moment = datetime.fromisoformat(quote["time"]).astimezone(zone_of(timezone))
    text = " ".join((quote["text"] or say["forgotten"]).split())
    return {
        "day": _day(moment.date(), locale),
        "text": text if len(text) <= 280 else text[:279] + "…",
        "source": quote["source"],
        "url": quote["url"],
    }


def _number(value: int, locale: str) -> str:
    from babel.numbers import format_decimal

    return str(format_decimal(value, locale=_babel(locale)))


def _decimal(value: float, locale: str) -> str:
    from babel.numbers import format_decimal

    return str(format_decimal(round(value, 1), locale=_babel(locale)))


def _percent(value: float, locale: str, *, signed: bool = False) -> str:
    from babel.numbers import format_percent

    return str(format_percent(value, format="+#,##0%;-#,##0%" if signed else "#,##0%", locale=_babel(locale)))


def _share(part: int, total: int, locale: str) -> str:
    return "–" if not total else _percent(part / total, locale)


def _month(first: date, locale: str) -> str:
    from babel.dates import format_date

    return str(format_date(first, "MMMM y" if locale == "en" else "y年M月", locale=_babel(locale)))


def _day(day: date, locale: str) -> str:
    from babel.dates import format_date

    return str(format_date(day, "d MMM" if locale == "en" else "M月d日", locale=_babel(locale)))


def _moment(moment: datetime, bucket: str, locale: str) -> str:
    day = _day(moment.date(), locale)
    return day if bucket == "day" else f"{day} {moment:%H:%M}"


def _babel(locale: str) -> str:
    return locale.replace("-", "_")
