"""Signing in and out, and what needs no signing in: the style sheet, the script and the health check."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from penstock.console import render
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import Keeper, Route, address_of, person, read_form, same_secret
from penstock.console.links import LINK_LASTS, Links
from penstock.console.wire import answer
from penstock.core.acts import Act
from penstock.core.errors import NotFound, Unauthorised
from penstock.identity.operators import Person
from penstock.identity.sessions import SESSION_LASTS, begin, end_session
from penstock.serving import metrics
from penstock.storage import counters

_TYPES = {"office.css": "text/css", "office.js": "text/javascript", "mark.svg": "image/svg+xml"}


def sign_in_link(links: Links, who: Person, address: str) -> str:
    """A link that signs one browser in, once, within the hour, in this run. address: "http://127.0.0.1:8081"."""
    return f"{address.rstrip('/')}/sign-in?ticket={links.issue(who)}"


def enter(request: Request, desk: AtDesk, ticket: str | None = None) -> Response:
    """The sign-in form; with a link's ticket, the way in."""
    if ticket is None:
        return render.page(request, "sign-in.html", {"refused": None})
    attempts = request.app.state.keeper.attempts
    try:
        who = request.app.state.links.spend(ticket)
    except Unauthorised as refusal:
        attempts.refused(address_of(request), "link")
        return render.page(request, "sign-in.html", {"refused": refusal.message}, status=401)
    attempts.accepted("link")
    # a page and not a redirect: a strict cookie is withheld from a redirect that another site's link began
    return _admit(request, desk, who, render.page(request, "signed-in.html"))


async def enter_with_token(request: Request, desk: AtDesk) -> Response:
    """Exchange the admin token, or an operator's own, for a session."""
    form = await read_form(request)
    try:
        keeper, token = request.app.state.keeper, form.get("token", "")
        who = await run_in_threadpool(person, keeper, token, address_of(request), "form")
    except Unauthorised:
        return render.page(request, "sign-in.html", {"refused": "this token does not sign in here"}, status=401)
    return await run_in_threadpool(_admit, request, desk, who, RedirectResponse("/", status_code=303))


def leave(request: Request, desk: AtDesk) -> Response:
    """End this session: its cookie holds no more, in no browser."""
    keeper: Keeper = request.app.state.keeper
    with desk.house.store.transaction() as tx:
        end_session(tx, request.state.session.id)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(keeper.cookie, path="/", httponly=True, samesite="strict")
    return response


def link(request: Request) -> Response:
    """A link that signs a browser in as you, once, within the hour, as long as this office runs."""
    address = str(request.base_url)
    made = sign_in_link(request.app.state.links, request.state.who, address)
    return answer({"link": made, "minutes": int(LINK_LASTS.total_seconds() // 60)}, 201)


def static(name: str) -> Response:
    if name not in _TYPES:
        raise NotFound("there is nothing here")
    content = (render.STATIC / name).read_bytes()
    return Response(content, headers={"Cache-Control": "public, max-age=86400"}, media_type=_TYPES[name])


def healthz(desk: AtDesk) -> Response:
    """Answers when the office runs and its database answers."""
    with desk.house.store.read() as tx:
        counters.generations(tx)
    return answer({"status": "ok"})


def office_metrics(request: Request, desk: AtDesk) -> Response:
    """Counts of sign-ins, for Prometheus, by the token that the gateway's metrics take."""
    house = desk.house
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if house.workspace.gateway.metrics != "open" and not same_secret(given, house.secret("metrics")):
        raise Unauthorised("metrics are the operator's", where="Authorization")
    return Response(metrics.render([request.app.state.keeper.attempts.counter]), media_type="text/plain; version=0.0.4")


def nothing() -> Response:
    raise NotFound("there is nothing here")


def _admit(request: Request, desk: Desk, who: Person, response: Response) -> Response:
    keeper: Keeper = request.app.state.keeper
    act = Act(who.name, who.role, address_of(request), f"{request.method} /sign-in")
    with desk.house.acting(act).store.transaction() as tx:
        _, cookie = begin(tx, who, act.origin)
    response.set_cookie(
        keeper.cookie,
        cookie,
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


ROUTES = (
    Route("GET", "/sign-in", enter, "open"),
    Route("POST", "/sign-in", enter_with_token, "open"),
    Route("POST", "/sign-out", leave, "operator", right="look"),
    Route("GET", "/static/{name}", static, "open"),
    Route(("GET", "HEAD"), "/healthz", healthz, "open"),
    Route("GET", "/metrics", office_metrics, "open"),
)
