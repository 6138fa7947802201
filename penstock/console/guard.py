"""Who may pass which door: every route declares a policy and a right, and one that does not cannot be built.

Policies: "open" (nothing is asked), "admin" (a bearer token: the admin token or an operator's own), "operator" (a
signed-in browser; its POSTs also carry the session's form token). Rights: what a role must have (identity.operators);
looking is the right of every route that changes nothing. It knows nothing of what lies behind the doors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Literal
from urllib.parse import parse_qsl

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from penstock.console.attempts import Attempts
from penstock.console.links import csrf_token
from penstock.core.acts import Act
from penstock.core.errors import BadInput, Broken, Forbidden, Unauthorised
from penstock.identity.operators import ADMIN, PREFIX, RIGHTS, ROLES, Person, Right, person_of
from penstock.identity.sessions import Session, read_session
from penstock.runtime.connections import belongs_to
from penstock.storage.engine import Store

Policy = Literal["open", "admin", "operator"]
POLICIES: tuple[Policy, ...] = ("open", "admin", "operator")
ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CSRF_FIELD = "csrf"
MAX_FIELDS = 300  # a table's row to try may have as many columns
MAX_FILES = 1
_MARK = "x-policy"
_UPLOADS = "x-uploads"
_RIGHT = "x-right"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True)
class Route:
    """One door: a method (or several), a path, what it calls, and who may pass. page: for a form's POST, what draws the
    page that the form is on, called as page(request, desk, **path parameters) when the form is refused. upload_bytes:
    the form may hold files, and be as large as this."""

    method: str | tuple[str, ...]
    path: str
    call: Callable[..., Any]
    policy: Policy | None = None
    status: int = 200
    page: Callable[..., Any] | None = None
    upload_bytes: int | None = None
    right: Right | None = None


@dataclass(frozen=True)
class Keeper:
    """What the guard compares with. Both secrets have one purpose each. store: where operators and sessions are.
    attempts: what was refused."""

    admin_token: bytes
    session_secret: bytes
    store: Store
    attempts: Attempts

    @property
    def cookie(self) -> str:
        """The session cookie's name. Browsers do not tell the ports of a host apart, so each workspace has its own."""
        return f"penstock_office_{sha256(b'cookie' + self.session_secret).hexdigest()[:8]}"


def mount(app: FastAPI, routes: Iterable[Route], keeper: Keeper) -> None:
    """Add the routes to `app`, each behind its policy, and check that nothing else is there.

    Raises Broken naming a route without a policy.
    """
    app.router.route_class = GuardedRoute
    app.state.keeper = keeper
    routes = tuple(routes)
    app.state.form_pages = {route.path: route.page for route in routes if route.page is not None}
    for route in routes:
        methods = [route.method] if isinstance(route.method, str) else list(route.method)
        app.add_api_route(
            route.path,
            route.call,
            methods=methods,
            status_code=route.status,
            response_model=None,
            include_in_schema=route.policy == "admin" and len(methods) == 1,
            openapi_extra={_MARK: route.policy, _UPLOADS: route.upload_bytes, _RIGHT: _right(route, methods)},
            max_body_size=route.upload_bytes,
        )
    for there in app.routes:
        if not isinstance(there, GuardedRoute):
            raise Broken(f"the route {getattr(there, 'path', there)!r} is not behind the guard", hint=_HINT)


class GuardedRoute(APIRoute):
    """A route that asks its policy before it reads the request."""

    def get_route_handler(self) -> Handler:
        extra = self.openapi_extra or {}
        policy, right = extra.get(_MARK), extra.get(_RIGHT)
        if policy not in POLICIES:
            raise Broken(f"the route {self.path!r} declares no policy", hint=_HINT)
        if right not in RIGHTS:
            raise Broken(f"the route {self.path!r} changes something and declares no right", hint=_HINT)
        inner = super().get_route_handler()
        admit = _ADMIT[policy]

        async def handle(request: Request) -> Response:
            request.state.uploads = bool(extra.get(_UPLOADS))
            refusal = await admit(request, request.app.state.keeper)
            if refusal is None and policy != "open":
                belongs_to(request.scope, policy)
                _require(request.state.who, right)
                request.state.act = _act(request, self.path)
            return refusal or await inner(request)

        return handle


def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a POST that the guard has admitted; blank ones left out."""
    return {name: value for name, value in request.state.form.items() if value.strip()}


def files_of(request: Request) -> Mapping[str, bytes]:
    """The files of a POST that the guard has admitted, by field; of routes that take some."""
    found: Mapping[str, bytes] = getattr(request.state, "files", {})
    return found


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded body, stripped; of a form with files too, where the route takes some. Raises BadInput
    for any other body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and getattr(request.state, "uploads", False):
        return await _read_files(request)
    if kind != "application/x-www-form-urlencoded":
        raise BadInput("this is not a form", where="Content-Type")
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except (UnicodeDecodeError, ValueError):
        raise BadInput("the form cannot be read") from None
    return {name: value.strip() for name, value in pairs}


async def _read_files(request: Request) -> dict[str, str]:
    """The fields of a multipart form; its files go to the request's state."""
    fields, files = {}, {}
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    fields[name] = value.strip()
                else:
                    files[name] = await value.read()
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise BadInput("the form cannot be read") from None
    request.state.files = files
    return fields


def same_secret(given: str, kept: bytes) -> bool:
    """Whether they are equal, in a time that tells nothing of either."""
    return compare_digest(sha256(given.encode()).digest(), sha256(kept).digest())


async def _open(request: Request, keeper: Keeper) -> Response | None:
    return None


async def _admin(request: Request, keeper: Keeper) -> Response | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        token = given.strip() if scheme.lower() == "bearer" else ""
        request.state.who = await run_in_threadpool(person, keeper, token, address_of(request), "admin")
    except Unauthorised:
        raise Unauthorised(
            "the token is missing or wrong",
            where="Authorization",
            hint="send Authorization: Bearer …, an operator's token or the content of .penstock/secrets/admin",
        ) from None
    return None


def person(keeper: Keeper, token: str, address: str, door: str) -> Person:
    """Whom a token proves: the admin token an owner, an operator's own the operator. door: "form" or "admin".

    Raises Unauthorised; RateLimited, without a look at an operator's token, where too many were refused.
    """
    if same_secret(token, keeper.admin_token):
        keeper.attempts.accepted(door)
        return ADMIN
    if not token:  # nobody tried anything
        raise Unauthorised("there is no token")
    keeper.attempts.check(address, door)
    try:
        found = _operator_of(keeper, token)
    except Unauthorised:
        keeper.attempts.refused(address, door)
        raise
    keeper.attempts.accepted(door)
    return found


def _operator_of(keeper: Keeper, token: str) -> Person:
    if not token.startswith(PREFIX):
        raise Unauthorised("this is no token of this office")
    with keeper.store.read() as tx:
        return person_of(tx, token)


async def _operator(request: Request, keeper: Keeper) -> Response | None:
    reading = request.method in ("GET", "HEAD")
    try:
        session = await run_in_threadpool(_session, keeper, request.cookies.get(keeper.cookie, ""))
    except Unauthorised:
        if not reading:
            raise
        return RedirectResponse("/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
    request.state.session = session
    request.state.who = session.who
    if not reading:
        form = await read_form(request)
        if not same_secret(form.pop(CSRF_FIELD, ""), csrf_token(keeper.session_secret, session).encode()):
            raise Forbidden("this form is not from your present session", hint="load the page again, then send it")
        request.state.form = form
    return None


def _session(keeper: Keeper, cookie: str) -> Session:
    with keeper.store.read() as tx:
        return read_session(tx, cookie)


def _right(route: Route, methods: Sequence[str]) -> Right | None:
    changes = any(method not in ("GET", "HEAD", "OPTIONS") for method in methods)
    return route.right if changes and route.policy != "open" else route.right or "look"


def _require(who: Person, right: Right) -> None:
    if not who.may(right):
        able = " or ".join(role for role, rights in ROLES.items() if right in rights)
        raise Forbidden(f"the role {who.role} may not do this", hint=f"it takes the role {able}")


def address_of(request: Request) -> str:
    """Where a request came from; behind a proxy that is the proxy."""
    return request.client.host if request.client is not None else ""


def _act(request: Request, path: str) -> Act:
    who: Person = request.state.who
    return Act(who.name, who.role, address_of(request), f"{request.method} {path}")


_HINT = "every route says who may pass: a policy (open, admin, operator), and a right where it changes something"
_ADMIT: dict[str, Callable[[Request, Keeper], Awaitable[Response | None]]] = {
    "open": _open,
    "admin": _admin,
    "operator": _operator,
}
