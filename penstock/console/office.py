"""The office: builds the admin interface and the console over an opened house, and serves them on one address."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

import penstock
from penstock import installed
from penstock.console import admin, pages, problems, render, signing_in
from penstock.console.attempts import Attempts
from penstock.console.desk import Desk, Workflows, mark_of
from penstock.console.guard import ALL_METHODS, Keeper, Route, mount
from penstock.console.headers import SecurityHeaders
from penstock.console.links import Links
from penstock.console.live import Live
from penstock.console.signing_in import sign_in_link
from penstock.core.errors import BadInput, PenstockError, Unavailable
from penstock.identity.operators import ADMIN
from penstock.pipeline.trying import Bench
from penstock.runtime.board import Board
from penstock.runtime.connections import Bounds, bounded_protocol
from penstock.runtime.descriptors import Descriptors
from penstock.runtime.house import House
from penstock.runtime.listeners import listener as holder
from penstock.runtime.parent import last_call
from penstock.runtime.proxies import believed
from penstock.runtime.tls import address as address_at
from penstock.runtime.tls import served_tls

_log = logging.getLogger(__name__)
MAX_BODY_BYTES = 1_000_000
SHORTEST_TOKEN = 16
SHUTDOWN_S = 10
TICKS_PER_LOOK = 10  # of uvicorn's, ten a second
CLOSING_S = 10.0  # after the requests had their time


def build_office(house: House, workflows: Workflows, token: bytes, board: Board | None = None) -> FastAPI:
    """The office as an ASGI application. token: the admin token, house.secret("admin"). board: what tells how far the
    workflows are.

    Raises Broken when a route declares no policy.
    """
    if len(token) < SHORTEST_TOKEN:
        raise BadInput(f"the admin token has {len(token)} bytes, at least {SHORTEST_TOKEN} are needed")
    app = FastAPI(
        title="Penstock admin",
        version=penstock.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.desk = Desk(house, workflows, board or Board(), Bench(house), mark=mark_of(house.folder))
    app.state.live = Live(app.state, house.store)
    app.state.links = Links(house.store.clock)
    app.state.pages = render.environment()
    for kind in (PenstockError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, problems.answer_error)
    app.add_exception_handler(ClientDisconnect, _nobody_there)
    app.add_middleware(SecurityHeaders)
    of_tasks = (route for task in installed.tasks().values() for route in task.office.pages())
    routes = (*signing_in.ROUTES, *admin.ROUTES, *pages.ROUTES, *of_tasks, *_REST)
    mount(app, routes, Keeper(token, house.secret("session"), house.store, Attempts(house.store.clock.now)))
    return app


async def _nobody_there(request: Request, error: Exception) -> Response:
    """The client went away while its request was read: one line of log, not a traceback."""
    _log.info("%s %s: the client went away", request.method, request.url.path)
    return Response(status_code=499)


def serve_office(
    house: House,
    workflows: Workflows,
    *,
    host: str | None = None,
    port: int | None = None,
    on_ready: Callable[[str, str], None] = lambda address, link: None,
    board: Board | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. host, port: default to [office] in penstock.toml; port 0 takes any free one.

    on_ready: called with the address and a sign-in link once connections are accepted. Raises Unavailable when the
    port is taken, BadInput for a certificate that cannot be used.
    """
    import uvicorn

    settings, tls = house.workspace.office, served_tls(house.workspace, "office")
    app = build_office(house, workflows, house.secret("admin"), board)
    with _listen(host or settings.host, settings.port if port is None else port) as listener:
        address = address_at(*listener.getsockname()[:2], tls=tls is not None)
        timers: list[threading.Timer] = []
        descriptors = Descriptors()

        class Server(uvicorn.Server):
            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                # not uvicorn's own: it raises the signal again, and the process dies before its work is put down
                if self.should_exit and sig == signal.SIGINT:
                    self.force_exit = True
                if not self.should_exit:
                    timers.append(last_call(SHUTDOWN_S + CLOSING_S))
                self.should_exit = True
                app.state.live.close()  # streams end by themselves, so that stopping does not wait for them

            async def on_tick(self, counter: int) -> bool:
                if counter % TICKS_PER_LOOK == 0:
                    descriptors.look()
                return await super().on_tick(counter)

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if self.started:
                    on_ready(address, sign_in_link(app.state.links, ADMIN, address))

        # access logs would put sign-in links on the terminal and into files
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            http=bounded_protocol(Bounds(), lambda: house.store.ids("req"), tls),
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=believed(settings.proxies),
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        Server(config).run(sockets=[listener])
        for timer in timers:
            timer.cancel()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise BadInput(f"cannot listen on {host}: {error.strerror}", where="office.host") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        hint = "an office may be running already; otherwise choose another port under [office]"
        reason = error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = f"it is in use by {holder(port) or 'another program'}"
        raise Unavailable(f"cannot listen on {host}:{port}: {reason}", hint=hint) from None
    return listener


_REST = (  # what no other route takes is refused to strangers before it is not found
    Route(ALL_METHODS, "/admin/{rest:path}", signing_in.nothing, "admin", right="look"),
    Route(ALL_METHODS, "/{rest:path}", signing_in.nothing, "operator", right="look"),
)
