"""Prices: everything that is or was for sale, with its versions and from when each holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.billing.versions import PlanVersion, PriceVersion, plan_versions, prices
from penstock.channels.agreements import list_versions
from penstock.console import render
from penstock.console.desk import AtDesk
from penstock.console.guard import Route
from penstock.core.clock import Period, period_at


@dataclass(frozen=True)
class Dated:
    """A version with its time. since: from when it holds for use (a price), or for newcomers (a plan, an agreement).
    state: "in force", "to come", or "replaced"."""

    version: Any
    since: datetime
    state: str


def show(request: Request, desk: AtDesk) -> Response:
    """The catalogue: prices, plans and agreements."""
    with desk.house.store.read() as tx:
        now, found, plans, agreements = tx.now, prices(tx), plan_versions(tx), list_versions(tx)
    present = period_at(now, desk.company.timezone)
    by_name: dict[str, list[Any]] = {}
    for agreement in agreements:
        by_name.setdefault(agreement.name, []).append(agreement)
    facts = {
        "prices": {name: dated_prices(of_it, present, desk.company.timezone) for name, of_it in _by_product(found)},
        "plans": {name: _dated(of_it) for name, of_it in _by_plan(plans)},
        "agreements": {
            name: _dated(sorted(of_it, key=lambda one: one.number)) for name, of_it in sorted(by_name.items())
        },
        "month": present.name,
        "unpriced": sorted(set(desk.house.workspace.products) - {one.product for one in found}),
    }
    return render.page(request, "prices.html", facts)


def dated_prices(versions: list[PriceVersion], present: Period, timezone: str) -> list[Dated]:
    """A product's price versions, newest first. Use of a month has the newest price that was there when it began, and
    the first one before there was any other."""
    found = [
        (one, one.effective_from if one.number == 1 else _next_month(one.effective_from, timezone)) for one in versions
    ]
    holds = max((one.number for one, since in found if since <= present.start or one.number == 1), default=0)
    states = ("replaced", "in force", "to come")
    return [
        Dated(one, since, states[1 + (one.number > holds) - (one.number < holds)]) for one, since in reversed(found)
    ]


def _next_month(moment: datetime, timezone: str) -> datetime:
    month = period_at(moment, timezone)
    return moment if moment == month.start else month.end


def _dated(versions: list[Any]) -> list[Dated]:
    """Plans and agreements: whoever comes gets the newest; who was there keeps the version that they came under."""
    since = [getattr(one, "effective_from", None) or one.created_at for one in versions]
    newest = len(versions) - 1
    return [
        Dated(one, since[at], "in force" if at == newest else "replaced")
        for at, one in reversed([*enumerate(versions)])
    ]


def _by_product(found: list[PriceVersion]) -> list[tuple[str, list[PriceVersion]]]:
    names = sorted({one.product for one in found})
    return [(name, [one for one in found if one.product == name]) for name in names]


def _by_plan(found: list[PlanVersion]) -> list[tuple[str, list[PlanVersion]]]:
    names = sorted({one.plan for one in found})
    return [(name, [one for one in found if one.plan == name]) for name in names]


ROUTES = (Route("GET", "/prices", show, "operator"),)
