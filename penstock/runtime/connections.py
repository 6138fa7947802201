"""HTTP connections that no stranger can hold, fill or exhaust: uvicorn's protocol, bounded in size, time and number.

It knows bytes, clocks and who a connection belongs to. It knows no route, no key and no product.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.runtime.handshakes import Handshake

STRANGER = ""
"""Whom a connection belongs to until `belongs_to` says otherwise."""

_RESERVED_DESCRIPTORS = 128  # for databases, models, logs and pipes
_TELL_EVERY_S = 10.0
_GOODBYE_S = 1.0
_CONNECTION = "penstock.connection"  # key of the ASGI scope
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """What one connection, and all of them together, may take of a process."""

    head_bytes: int = 65_536  # request line and headers of a request, and its trailers
    headers: int = 100  # how many of them
    head_s: float = 10.0  # from the connection, or the request's first byte, to the end of the head
    pipelined: int = 32  # requests that wait behind the one being answered
    drain_bytes: int = 16_777_216  # of a body nobody reads: a client that reads after it wrote still gets its answer
    drain_s: float = 5.0  # how long such a body may go on arriving
    write_s: float = 30.0  # how long a client may leave an answer unread
    strangers: int = 512  # connections on which nobody was recognised
    connections: int = 16_384  # all together; fewer where the process may open fewer files


def bounded_protocol(bounds: Bounds, new_id: Callable[[], str], tls: Callable[[], ssl.SSLContext] | None = None) -> Any:
    """The protocol class for `uvicorn.Config(http=...)`. new_id: makes ids for answers that no request handler gave.
    tls: speak https, each connection by the context that this gives. It counts before its handshake is done, which may
    take as long as a head.

    Raises the process's soft limit of open files to its hard limit first: every connection needs one.
    """
    table = ConnectionTable(bounds, _possible(bounds.connections), new_id)
    protocol = partial(BoundedProtocol, table=table)
    return protocol if tls is None else partial(Handshake, protocol, tls, table)


def belongs_to(scope: Mapping[str, Any], owner: str) -> None:
    """From now on the connection of this ASGI scope counts as `owner`'s, not as a stranger's."""
    connection = scope.get(_CONNECTION)
    if isinstance(connection, BoundedProtocol):
        connection.table.move(connection, owner)


class Connection(Protocol):
    """What may be closed to make place: it is being answered (`busy`), or idle."""

    @property
    def busy(self) -> bool: ...
    def abort(self) -> None: ...


class ConnectionTable:
    """The open connections of one server by owner, oldest first. Too many: the largest owner loses one."""

    def __init__(self, bounds: Bounds, most: int, new_id: Callable[[], str]) -> None:
        self.bounds = bounds
        self.new_id = new_id
        self._max = most
        self._max_strangers = min(bounds.strangers, max(1, most // 2))
        self._by_owner: dict[str, dict[Connection, None]] = {}
        self._owner_of: dict[Connection, str] = {}
        self._told_at = float("-inf")

    def __len__(self) -> int:
        return len(self._owner_of)

    def add(self, connection: Connection) -> None:
        """Count a new connection. One of those there are is closed first when there is no place."""
        strangers = self._by_owner.get(STRANGER, {})
        if len(strangers) >= self._max_strangers:
            self._close_one(STRANGER)
        elif len(self) >= self._max:
            self._close_one(max(self._by_owner, key=lambda owner: len(self._by_owner[owner])))
        self._put(connection, STRANGER)

    def move(self, connection: Connection, owner: str) -> None:
        """Count an open connection as `owner`'s."""
        if self._owner_of.get(connection, owner) != owner:
            self.remove(connection)
            self._put(connection, owner)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was closed. Twice is once."""
        owner = self._owner_of.pop(connection, None)
        if owner is not None:
            del self._by_owner[owner][connection]
            if not self._by_owner[owner]:
                del self._by_owner[owner]

    def _put(self, connection: Connection, owner: str) -> None:
        self._owner_of[connection] = owner
        self._by_owner.setdefault(owner, {})[connection] = None

    def _close_one(self, owner: str) -> None:
        mine = self._by_owner[owner]
        closed = next((one for one in mine if not one.busy), next(iter(mine)))
        self.remove(closed)
        closed.abort()
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            whose = "without a key" if owner == STRANGER else f"of {owner}"
            _log.warning("%d connections are open: the oldest ones %s are being closed", len(self) + 1, whose)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request that is too large or too slow is refused, read on a little, and the connection ends."""

    def __init__(self, *args: Any, table: ConnectionTable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self._bounds = table.bounds
        self._in_head = False  # the first bytes of a request came, its last header did not
        self._in_message = False
        self._head_bytes = 0
        self._unparsed_bytes = 0  # received since the parser last passed something on
        self._refusal: HTTPStatus | None = None
        self._deaf = False  # nothing more is read as a request: what is being answered is the last
        self.mute = False  # our side is closed: nothing more can be written
        self._drained_bytes: int | None = None  # of what arrives only to be thrown away
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """A request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        """Close at once, without a word."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.table.add(self)
        self._within(self._bounds.head_s, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.remove(self)
        self._at_rest()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._throw_away(len(data))
            return
        self._unset_keepalive_if_required()
        self._unparsed_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # no other protocol is spoken here; the request itself is answered
        except httptools.HttpParserError:
            self._refuse(self._refusal or HTTPStatus.BAD_REQUEST)
            return
        if self._unparsed_bytes > self._bounds.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._in_head and self._timer is None:
            self._within(self._bounds.head_s, self._head_too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[_CONNECTION] = self  # type: ignore[literal-required]
        self._in_head = self._in_message = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self.headers) >= self._bounds.headers:
            self._head_too_large()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unparsed_bytes = 0
        self._at_rest()
        if len(self.pipeline) >= self._bounds.pipelined:
            self._deaf = True
        if self._deaf:
            return
        super().on_headers_complete()
        self.cycle.transport = _GentleTransport(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        if self._deaf:
            return
        super().on_body(body)
        if self.cycle.response_complete:
            self._throw_away(len(body))

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unparsed_bytes = 0
        if self._deaf:
            return
        super().on_message_complete()
        if self.cycle.response_complete and self._drained_bytes is not None:
            self._drained_bytes = None  # all of it came: the connection is as good as new
            self._at_rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self.busy:
            return
        if self._deaf and not self.pipeline:
            self.close_gently()
        elif self._in_message and not self._in_head:
            self._drained_bytes = 0
            self._within(self._bounds.drain_s, self.close_gently)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self._bounds.write_s, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def shutdown(self) -> None:
        super().shutdown()
        self._say_goodbye()

    def close_gently(self) -> None:
        """Close, but read a little of what still arrives: a reset would take the answer from the client's hands."""
        if self.transport.is_closing():
            return
        if not self._in_message:
            self._close()
            return
        self._deaf = True
        self._drained_bytes = self._drained_bytes or 0
        self.pipeline.clear()  # what waits behind the last answer is not begun
        self.flow.resume_reading()
        if self.transport.can_write_eof() and not self.mute:
            self.mute = True
            self.transport.write_eof()
        self._within(self._bounds.drain_s, self._close)

    def _close(self) -> None:
        self.transport.close()
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        """TLS that is closed waits for the client's own goodbye, which one that does not read never sends."""
        if self.scheme == "https" and self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self._within(_GOODBYE_S, self.abort)

    def _throw_away(self, count: int) -> None:
        self._drained_bytes = (self._drained_bytes or 0) + count
        if self._drained_bytes > self._bounds.drain_bytes and not self.busy:
            self._close()

    def _count(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > self._bounds.head_bytes:
            self._head_too_large()

    def _head_too_large(self) -> None:
        self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        raise ValueError("the head is too large")  # ends the parsing; data_received refuses

    def _head_too_slow(self) -> None:
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer what no handler gets to its end, then close. An answer to an earlier request goes out first."""
        self._deaf = True
        self._in_message = True  # more of it may be on its way
        self._at_rest()
        if self.busy and not self.cycle.more_body:
            return  # on_response_complete closes
        if self.busy:
            self.cycle.disconnected = True  # the handler waits for a body that never comes whole
            self.cycle.message_event.set()
        if not (self.busy and self.cycle.response_started):
            self.transport.write(_refusal(status, self._bounds, self.table.new_id()))
        self.close_gently()

    def _within(self, seconds: float, then: Callable[[], None]) -> None:
        self._at_rest()
        self._timer = self.loop.call_later(seconds, then)

    def _at_rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class _GentleTransport:
    """The transport as a request's cycle sees it: closing waits until the client could have read the answer."""

    def __init__(self, connection: BoundedProtocol) -> None:
        self._connection = connection
        self.is_closing = connection.transport.is_closing

    def write(self, data: bytes) -> None:
        transport = self._connection.transport
        if not self._connection.mute and not transport.is_closing():  # a handler may learn of it later than we
            transport.write(data)

    def close(self) -> None:
        self._connection.close_gently()


def _refusal(status: HTTPStatus, bounds: Bounds, id: str) -> bytes:
    details = {
        HTTPStatus.BAD_REQUEST: "what was sent is not HTTP",
        HTTPStatus.REQUEST_TIMEOUT: f"the request's head did not arrive within {bounds.head_s:.0f} s",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
            f"the request's head is larger than {bounds.head_bytes:,} bytes or has more than {bounds.headers} headers"
        ),
    }
    problem = {
        "type": f"urn:penstock:problem:{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": int(status),
        "detail": details[status],
        "where": "head",
        "hint": "",
        "instance": id,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def _possible(wanted: int) -> int:
    """How many connections the process's limit of open files allows, at most `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # some systems have a lower limit of their own
            _log.warning("the limit of open files stays at %d", soft)
    files = wanted + _RESERVED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(1, min(wanted, files - _RESERVED_DESCRIPTORS))
