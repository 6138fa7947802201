"""TLS handshakes under the bounds of connections.py: counted from when they begin, and given up in time.

It knows bytes until they are decrypted; what comes then is the HTTP protocol's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from penstock.runtime.connections import ConnectionTable


class Handshake(asyncio.Protocol):
    """A connection until its client has shaken hands; then `make`'s protocol takes it over.

    Not left to `create_server(ssl=...)`: that would tell of a connection only when the handshake is done, so that
    nobody counts those who never do it. TLS begins with the client's first bytes: before them uvloop may go on reading
    though told to pause, and they would be lost.
    """

    busy = False

    def __init__(
        self,
        make: Callable[..., asyncio.Protocol],
        tls: Callable[[], ssl.SSLContext],
        table: ConnectionTable,
        **of_uvicorn: Any,
    ) -> None:
        self._make: Callable[[], asyncio.Protocol] = partial(make, **of_uvicorn)
        self._tls = tls
        self._table = table
        self._open: set[Any] = of_uvicorn["server_state"].connections
        self._loop = asyncio.get_running_loop()
        self._early = b""  # decrypted before the next protocol was in place
        self._task: asyncio.Task[None] | None = None
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._table.add(self)
        self._open.add(self)
        self._timer = self._loop.call_later(self._table.bounds.head_s, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            self._early += data
            return
        self._transport.pause_reading()
        self._task = self._loop.create_task(self._shake_hands(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._gone = True

    def abort(self) -> None:
        """Close at once, without a word."""
        self._transport.abort()

    def shutdown(self) -> None:
        """Called by uvicorn for every open connection when it ends."""
        self.abort()

    async def _shake_hands(self, hello: bytes) -> None:
        bounds = self._table.bounds
        started = self._loop.create_task(
            self._loop.start_tls(
                self._transport,
                self,
                self._tls(),
                server_side=True,
                ssl_handshake_timeout=bounds.head_s,
                ssl_shutdown_timeout=bounds.write_s,  # what was answered is still on its way to a slow client
            )
        )
        # its first step puts TLS in place of us, and has it begin, then the reading resume, in the next round of the
        # loop: what we have read already goes in behind those two, before anything more can be read
        self._loop.call_soon(lambda: self._loop.call_soon(_feed, self._transport, hello))
        try:
            decrypted = await started
        except OSError:  # of TLS too: a client that speaks none, or too old a one, that took too long, or went away
            decrypted = None
        self._leave()
        if decrypted is None or decrypted.is_closing() or self._gone:
            self._transport.abort()
            return
        protocol = self._make()
        protocol.connection_made(decrypted)
        decrypted.set_protocol(protocol)
        if self._early:
            protocol.data_received(self._early)

    def _leave(self) -> None:
        self._timer.cancel()
        self._table.remove(self)
        self._open.discard(self)


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    if not hasattr(protocol, "get_buffer"):  # TLS did not come to its beginning
        return
    while data and not transport.is_closing():
        buffer = memoryview(cast(Any, protocol.get_buffer(len(data))))
        count = min(len(data), len(buffer))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
