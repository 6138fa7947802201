"""The first page: what waits for a person, the products, the month's money and use, the work in progress."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from penstock.analytics.attention import Need, needs
from penstock.analytics.overview import overview
from penstock.analytics.records import Day
from penstock.console import render, runs
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.console.pages.parts import months

CHART_HEIGHT = 100
_WORDS = {
    "untrained": "{subject} has no model yet: train it",
    "refused": "{subject}: the gate refused candidate {count}",
    "releasable": "{subject}: candidate {count} passed the gate and can be released",
    "unpriced": "{subject} has no published price: run penstock apply",
    "feedback": "{subject}: {count} corrections are not trained on yet",
    "overdue": "{count} invoices are overdue",
    "referral": "{count} customers look as if their partner brought itself: clear or reject them",
    "unclosed": "{subject} is not closed: {count} customers have no invoice for it",
    "quarantined": "{name} is put aside because it could not be invoiced: nothing is invoiced to it",
}


@dataclass(frozen=True)
class Bar:
    """A day's bar: x and width in hundredths of a day, y and height in hundredths of the tallest."""

    day: Day
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Todo:
    """A need in words, with where to see to it."""

    need: Need
    words: str
    link: str


def show(request: Request, desk: AtDesk, period: str | None = None) -> Response:
    """The company at a glance."""
    chosen = months(desk, period)
    with desk.house.store.read() as tx:
        found = overview(tx, desk.house.workspace, chosen.shown)
        waiting = needs(tx, desk.house.workspace, found)
    money = found.money
    facts = {
        "months": chosen,
        "view": found,
        "earned": money.revenue + money.unbilled,
        "units": sum(product.units for product in found.products),
        "todo": [Todo(need, _WORDS[need.kind], _link(need)) for need in waiting],
        "bars": bars(found.days),
        "jobs": runs.jobs(desk),
        "failures": [],
    }
    return render.page(request, "overview.html", facts)


def bars(days: tuple[Day, ...]) -> list[Bar]:
    """One bar a day; a day with any use is never quite flat."""
    most = max((day.units for day in days), default=0)
    heights = [max(2, round(CHART_HEIGHT * day.units / most)) if most and day.units > 0 else 0 for day in days]
    return [
        Bar(day, 100 * number + 14, CHART_HEIGHT - height, height)
        for number, (day, height) in enumerate(zip(days, heights, strict=True))
    ]


def _link(need: Need) -> str:
    match need.kind:
        case "overdue":
            return "/invoices?state=open"
        case "unclosed":
            return f"/invoices?period={need.subject}"
        case "referral":
            return f"/partners/{need.subject}"
        case "quarantined":
            return f"/customers/{need.subject}"
        case "feedback":
            return f"/feedback?product={need.subject}"
    return f"/products/{need.subject}"


ROUTES = (Route("GET", "/", show, "operator"),)
