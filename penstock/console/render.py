"""Pages: one Jinja environment, the filters that write money, units, times and shares, and the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from penstock import installed
from penstock.channels.agreements import share_text
from penstock.console.links import csrf_token
from penstock.console.refill import Refusal, refill
from penstock.console.words import DONE, LANGUAGES, translate, translate_error
from penstock.core.clock import zone_of
from penstock.core.hashing import sha256_of
from penstock.core.money import Money
from penstock.evaluation.words import SHARES, speaker
from penstock.identity.operators import Person, Right

if TYPE_CHECKING:
    from jinja2 import Environment

LANGUAGE_COOKIE = "penstock_language"
STATIC = Path(__file__).parent / "static"
_BEFORE_TASKS = (
    ("/", "Overview"),
    ("/products", "Products"),
    ("/try", "Playground"),
    ("/feedback", "Feedback"),
)
_AFTER_TASKS = (
    ("/customers", "Customers"),
    ("/prices", "Prices"),
    ("/invoices", "Invoices"),
    ("/partners", "Partners"),
    ("/ledger", "Ledger"),
    ("/apply", "Apply"),
    ("/audit", "Audit log"),
    ("/operators", "Operators"),
)
_FORM = re.compile(r'<form\b[^>]* method="post" action="(?P<action>[^"]*)"')
_PART_OF = {"/preview": "/invoices"}  # a page of a section that its address does not name


def navigation() -> tuple[tuple[str, str], ...]:
    """(path, title) of each entry of the menu; the tasks' own stand in its middle."""
    of_tasks = (entry for task in installed.tasks().values() for entry in task.office.menu)
    return (*_BEFORE_TASKS, *of_tasks, *_AFTER_TASKS)


def environment() -> Environment:
    """The templates, escaping everything; a name that a template misspells is an error."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    packages = [task.office.templates for task in installed.tasks().values() if task.office.templates]
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in ("penstock.console", *packages)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("office.css", "office.js"):
        made.globals[f"{name.partition('.')[2]}_digest"] = sha256_of((STATIC / name).read_bytes())[:12]
    made.globals["navigation"] = navigation()
    made.filters["zip"] = zip
    made.filters["svg"] = Markup  # only for charts that were drawn here: Vega escapes every label
    made.filters["share"] = share_text
    made.filters |= {"units": units, "percent": percent, "number": number, "cost": cost, "figure": figure}
    return made


def page(request: Request, template: str, facts: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
    """A page in the reader's language, with the facts its template names. After a refused form its own page comes back
    with what was typed and the error in its place."""
    html = request.app.state.pages.get_template(template).render({**context(request), **(facts or {})})
    html = _only_what_may_be_done(request, html)
    refusal: Refusal | None = getattr(request.state, "refusal", None)
    if refusal is not None:
        html, status = refill(html, refusal), refusal.status
    response = Response(html, status, media_type="text/html")
    lang = language(request)
    if request.query_params.get("lang") == lang:
        response.set_cookie(LANGUAGE_COOKIE, lang, max_age=31_536_000, httponly=True, samesite="strict")
    return response


def _only_what_may_be_done(request: Request, html: str) -> str:
    """A form that the reader's role may not send can be read and not be used."""
    who: Person | None = getattr(request.state, "who", None)
    if who is None or who.may("govern"):
        return html
    lang = language(request)
    told = escape(translate(lang, "Your role may not do this."), quote=True)

    def checked(found: re.Match[str]) -> str:
        right = right_of(request, found["action"])
        return found[0] if right is None or who.may(right) else f'{found[0]} inert title="{told}"'

    return _FORM.sub(checked, html)


def right_of(request: Request, action: str) -> Right | None:
    """The right that a form to this address takes; None for an address that is none of the office's."""
    scope = {"type": "http", "method": "POST", "path": unescape(action).partition("?")[0], "headers": []}
    for route in request.app.router.routes:
        if route.matches(scope)[0] is Match.FULL:
            return (route.openapi_extra or {}).get("x-right")
    return None


def macro(request: Request, template: str, name: str) -> Callable[..., str]:
    """A template's macro, to draw a part of a page by itself."""
    module = request.app.state.pages.get_template(template).make_module(context(request))
    return lambda *values: str(getattr(module, name)(*values))


def context(request: Request) -> dict[str, Any]:
    """What every template may use."""
    state = request.app.state
    company = state.desk.company
    lang, zone = language(request), zone_of(company.timezone)
    session = getattr(request.state, "session", None)
    path = _PART_OF.get(request.url.path, request.url.path)
    return {
        "lang": lang,
        "t": lambda text, **values: translate(lang, text, **values),
        "metric": lambda name: speaker(lang)(name),
        "company": company,
        "me": getattr(request.state, "who", None),
        "csrf": csrf_token(state.keeper.session_secret, session) if session else "",
        "here": lambda place: path == place or (place != "/" and path.startswith(place + "/")),
        "told": DONE.get(request.query_params.get("done", "")),
        "money": lambda amount: money_text(amount, lang),
        "minor": Money,
        "moment": lambda time: "" if time is None else f"{time.astimezone(zone):%Y-%m-%d %H:%M}",
        "day": lambda time: "" if time is None else f"{time.astimezone(zone):%Y-%m-%d}",
        "say_error": lambda text: translate_error(lang, text),
        "duration": lambda seconds: duration(seconds, lang),
    }


def language(request: Request) -> str:
    """?lang=, else what was chosen before, else the company's."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    locale: str = request.app.state.desk.company.locale
    return locale


def money_text(amount: Money | None, lang: str) -> str:
    return "–" if amount is None else amount.display(lang)


def duration(seconds: float, lang: str) -> str:
    """A time to wait, as coarse as it is sure: "40 s", "3 min", "2 h"."""
    for most, size, unit in ((90, 1, "{count} s"), (5_400, 60, "{count} min"), (float("inf"), 3_600, "{count} h")):
        if seconds <= most:
            return translate(lang, unit, count=max(1, round(seconds / size)))
    return ""


def units(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def percent(share: float | Decimal | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f}%"


def figure(value: float | None, metric: str) -> str:
    """A value of the metric of that name: a percentage where people read it as one."""
    return percent(value) if metric in SHARES else number(value)


def number(value: float | Decimal | datetime | None, digits: int = 3) -> str:
    """A measured number with `digits` significant figures, never in powers of ten."""
    if value is None or isinstance(value, datetime):
        return "–"
    rounded = Decimal(f"{value:.{digits}g}")
    return f"{rounded:,f}"


def cost(value: float | Decimal | None) -> str:
    """A cost of 1,000 predictions in major units; what is next to nothing is said to be so."""
    return "< 0.000001" if value is not None and 0 < value < Decimal("0.000001") else number(value)
