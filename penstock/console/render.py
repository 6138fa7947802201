"""Pages: one Jinja environment, the filters that write money, units, times and shares, and the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.console import sessions
from penstock.console.words import DONE, LANGUAGES, translate
from penstock.core.clock import zone_of
from penstock.core.hashing import sha256_of
from penstock.core.money import Money
from penstock.evaluation.words import SHARES, speaker

if TYPE_CHECKING:
    from jinja2 import Environment

LANGUAGE_COOKIE = "penstock_language"
STATIC = Path(__file__).parent / "static"
NAVIGATION = (
    ("/", "Overview"),
    ("/products", "Products"),
    ("/customers", "Customers"),
    ("/invoices", "Invoices"),
    ("/partners", "Partners"),
    ("/ledger", "Ledger"),
    ("/feedback", "Feedback"),
)


def environment() -> Environment:
    """The templates, escaping everything; a name that a template misspells is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("penstock.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style_digest"] = sha256_of((STATIC / "office.css").read_bytes())[:12]
    made.globals["navigation"] = NAVIGATION
    made.filters |= {"units": units, "percent": percent, "number": number, "cost": cost, "figure": figure}
    return made


def page(request: Request, template: str, facts: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
    """A page in the reader's language, with the facts its template names."""
    state = request.app.state
    company = state.desk.company
    lang, zone = language(request), zone_of(company.timezone)
    session = getattr(request.state, "session", None)
    path = request.url.path
    context = {
        "lang": lang,
        "t": lambda text, **values: translate(lang, text, **values),
        "metric": lambda name: speaker(lang)(name),
        "company": company,
        "csrf": sessions.csrf_token(state.keeper.session_secret, session) if session else "",
        "here": lambda place: path == place or (place != "/" and path.startswith(place + "/")),
        "told": DONE.get(request.query_params.get("done", "")),
        "money": lambda amount: money_text(amount, lang),
        "minor": Money,
        "moment": lambda time: "" if time is None else f"{time.astimezone(zone):%Y-%m-%d %H:%M}",
        "day": lambda time: "" if time is None else f"{time.astimezone(zone):%Y-%m-%d}",
        **(facts or {}),
    }
    html = state.pages.get_template(template).render(context)
    response = Response(html, status, media_type="text/html")
    if request.query_params.get("lang") == lang:
        response.set_cookie(LANGUAGE_COOKIE, lang, max_age=31_536_000, httponly=True, samesite="strict")
    return response


def language(request: Request) -> str:
    """?lang=, else what was chosen before, else the company's."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    locale: str = request.app.state.desk.company.locale
    return locale


def money_text(amount: Money | None, lang: str) -> str:
    return "–" if amount is None else amount.display(lang)


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
