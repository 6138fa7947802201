"""Runs a gateway in this process until it is told to stop: then drain, flush, return the grants, and come back.

It knows sockets and signals; the gateway knows the rest.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn

from penstock.core.errors import BadInput, PenstockError, Unavailable
from penstock.runtime.connections import Bounds, bounded_protocol
from penstock.runtime.descriptors import Descriptors
from penstock.runtime.listeners import listener
from penstock.runtime.parent import last_call
from penstock.runtime.proxies import believed
from penstock.runtime.tls import address
from penstock.serving.deps import GatewayDeps
from penstock.serving.gateway import Gateway, build_gateway

CLOSING_S = 15.0  # after the requests under way had their time: threads, grants, writer, pool
TICKS_PER_LOOK = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    deps: GatewayDeps,
    host: str = "127.0.0.1",
    port: int = 8080,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; then answer what is under way (at most timing.drain_s) and return.

    on_ready gets the base address, e.g. "http://127.0.0.1:8080", once connections are taken and the models that
    were live have been loaded (or found broken: see /readyz). port 0: any free one. tls: serve https by what it gives.
    Raises BadInput when the address cannot be listened on.
    """
    listening = listen(host, port)
    try:
        app = build_gateway(deps)
    except BaseException:
        listening.close()
        raise
    config = uvicorn.Config(
        app,
        http=bounded_protocol(Bounds(), lambda: deps.store.ids("req"), tls),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(deps.settings.proxies),
        forwarded_allow_ips=believed(deps.settings.proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(deps.timing.drain_s),
    )
    server = _Server(config, app.state.gateway, stop)
    if on_ready is not None:
        bound = address(*listening.getsockname()[:2], tls=tls is not None)
        threading.Thread(target=_tell_ready, args=(server, app.state.gateway, bound, on_ready), daemon=True).start()
    try:
        server.run(sockets=[listening])
    except SystemExit:  # uvicorn's way to say that the start failed
        raise _start_failure(app.state.gateway) from None
    finally:
        server.ended.set()
        if server.last_call is not None:
            server.last_call.cancel()
        listening.close()
    if not server.started:
        raise _start_failure(app.state.gateway)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket with TCP_NODELAY, which connections inherit (without it an answer may wait 40 ms for an ACK)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadInput(f"cannot listen on {host!r}: {error.strerror or error}", where="gateway.host") from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise _cannot_bind(host, port, error) from None
    return bound


class _Server(uvicorn.Server):
    """uvicorn's server, with our signals: unready first, and no second death by the signal after a clean end."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, stop: threading.Event | None) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._stop = stop
        self._descriptors = Descriptors()
        self.last_call: threading.Timer | None = None
        self.ended = threading.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._gateway.draining = True
        if not self.should_exit:
            self.last_call = last_call(self._gateway.deps.timing.drain_s + CLOSING_S)
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._stop is not None and self._stop.is_set():
            self._gateway.draining = True
            self.should_exit = True
        if counter % TICKS_PER_LOOK == 0:
            self._descriptors.look()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {sig: signal.signal(sig, self.handle_exit) for sig in _SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def _tell_ready(server: _Server, gateway: Gateway, address: str, on_ready: Callable[[str], None]) -> None:
    while not server.started and not server.ended.wait(0.02):
        pass
    while not gateway.releases.wait_settled(0.1):
        if server.ended.is_set():
            return
    if server.started and not server.ended.is_set():
        on_ready(address)


def _cannot_bind(host: str, port: int, error: OSError) -> BadInput:
    if error.errno == errno.EADDRINUSE:
        return BadInput(
            f"port {port} on {host} is in use by {listener(port) or 'another program'}",
            where="gateway.port",
            hint="end that program, or choose another port (0: any free one)",
        )
    if error.errno == errno.EACCES:
        return BadInput(f"port {port} may not be used by this user", where="gateway.port", hint="choose one above 1023")
    return BadInput(f"cannot listen on {host}:{port}: {error.strerror}", where="gateway.host")


def _start_failure(gateway: Gateway) -> PenstockError:
    if isinstance(gateway.start_error, PenstockError):
        return gateway.start_error
    reason = f": {gateway.start_error}" if gateway.start_error else ""
    return Unavailable(f"the gateway could not start{reason}", hint="see the messages above")
