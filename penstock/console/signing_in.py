"""Signing in and out, and what needs no signing in: the style sheet, the script and the health check."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from penstock.console import render, sessions
from penstock.console.desk import AtDesk, Desk
from penstock.console.guard import COOKIE, Keeper, Route, read_form, same_secret
from penstock.console.wire import answer
from penstock.core.errors import NotFound, Unauthorised
from penstock.runtime.house import House
from penstock.storage import counters

SECRET = "sign-in"
_TYPES = {"office.css": "text/css", "office.js": "text/javascript", "mark.svg": "image/svg+xml"}


def sign_in_link(house: House, address: str) -> str:
    """A link that signs one browser in, once, within the hour. address: "http://127.0.0.1:8081"."""
    ticket = sessions.issue_link(house.secret(SECRET), house.store.clock.now())
    return f"{address.rstrip('/')}/sign-in?ticket={ticket}"


def enter(request: Request, desk: AtDesk, ticket: str | None = None) -> Response:
    """The sign-in form; with a link's ticket, the way in."""
    if ticket is None:
        return render.page(request, "sign-in.html", {"refused": None})
    house = desk.house
    spent = house.workspace.state / "sign-ins"
    try:
        sessions.spend_link(house.secret(SECRET), ticket, house.store.clock.now(), spent)
    except Unauthorised as refusal:
        return render.page(request, "sign-in.html", {"refused": refusal.message}, status=401)
    # a page and not a redirect: a strict cookie is withheld from a redirect that another site's link began
    return _admit(request, desk, render.page(request, "signed-in.html"))


async def enter_with_token(request: Request, desk: AtDesk) -> Response:
    """Exchange the admin token for a session."""
    form = await read_form(request)
    keeper: Keeper = request.app.state.keeper
    if not same_secret(form.get("token", ""), keeper.admin_token):
        return render.page(request, "sign-in.html", {"refused": "this is not the admin token"}, status=401)
    return _admit(request, desk, RedirectResponse("/", status_code=303))


def leave(request: Request) -> Response:
    request.app.state.live.end(request.state.session)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


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


def nothing() -> Response:
    raise NotFound("there is nothing here")


def _admit(request: Request, desk: Desk, response: Response) -> Response:
    keeper: Keeper = request.app.state.keeper
    response.set_cookie(
        COOKIE,
        sessions.issue(keeper.session_secret, keeper.clock.now()),
        max_age=int(sessions.SESSION_LASTS.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


ROUTES = (
    Route("GET", "/sign-in", enter, "open"),
    Route("POST", "/sign-in", enter_with_token, "open"),
    Route("POST", "/sign-out", leave, "operator"),
    Route("GET", "/static/{name}", static, "open"),
    Route(("GET", "HEAD"), "/healthz", healthz, "open"),
)
