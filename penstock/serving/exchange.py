"""The edge of the gateway: every request gets an id, every answer carries it,
every error becomes a problem document. It knows no product and no customer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.core.errors import BadInput, NotFound, PenstockError, Unavailable
from penstock.serving.admission import Pace
from penstock.serving.problems import Malformed, TooLarge, TooSlow, WrongMethod, problem_of
from penstock.serving.turns import Workers

BODY_TIMEOUT_S = 10.0
LOOP_BYTES = 16_384  # decoded in some ten microseconds; what is longer costs more than handing it to a thread
MOST_PARTS = 50_000  # lists and objects of a body: decoding so many stops every thread for some 10 ms, all it may
_PLACES = 10_000  # values that are searched for the one that is not finite: some milliseconds
_log = logging.getLogger(__name__)


@dataclass
class Exchange:
    """What the edge remembers of one request. `product` is a label of metrics: only ever a known name."""

    id: str
    idempotent: bool
    bad_id: str | None = None
    started: float = field(default_factory=time.monotonic)
    product: str = ""
    pace: Pace | None = None
    status: int = 0
    body_bytes: int = 0  # of the body that was read


class Edge:
    """Outermost layer: ids, rate-limit headers, problem documents, one observation per request."""

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], str], observe: Callable[[Exchange, float], None]) -> None:
        self._app = app
        self._new_id = new_id
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope["exchange"] = _open_exchange(scope, self._new_id)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                _add_headers(message, exchange)
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except ClientDisconnect:
            exchange.status = 499  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - logged and answered
            if not isinstance(error, PenstockError):
                _log.exception("request %s failed", exchange.id)
            if exchange.status == 0:
                await refusal(error, exchange)(scope, receive, tell)
        finally:
            self._observe(exchange, time.monotonic() - exchange.started)


def exchange_of(request: Request) -> Exchange:
    found: Exchange = request.scope["exchange"]
    return found


def refusal(error: Exception, exchange: Exchange) -> Response:
    problem = problem_of(error, exchange.id)
    return Response(problem.body, problem.status, headers=problem.headers)


async def on_error(request: Request, error: Exception) -> Response:
    """For Starlette: its own errors (no such route, wrong method) and ours, as problem documents."""
    if isinstance(error, HTTPException):
        error = _own_words(request, error)
    return refusal(error, exchange_of(request))


async def read_json(request: Request, decoders: Workers, owner: str, limit_bytes: int, kind: Any = Any) -> Any:
    """The body as `kind` (None when empty and any value will do). Raises TooLarge, TooSlow, Malformed, BadInput.

    decoders: threads for bodies that are too long to be decoded on the event loop, where everybody would wait.
    owner: the customer, whose turn it takes there.
    """
    body = await read_body(request, limit_bytes)
    if not body and kind is Any:
        return None
    if len(body) > LOOP_BYTES:
        return await decoders.run(owner, _decoded, body, kind)
    return _decoded(body, kind)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """All of the body. Raises TooLarge, TooSlow."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await _read(request, limit_bytes)
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None
    exchange_of(request).body_bytes = len(body)
    return body


def _decoded(body: bytes, kind: Any) -> Any:
    if body.count(b"[") + body.count(b"{") > MOST_PARTS:
        raise BadInput(
            f"the body holds more than {MOST_PARTS:,} lists and objects", where="body", hint="send fewer inputs at once"
        )
    try:
        value = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        if len(body) <= LOOP_BYTES:
            _check_finite(body)  # in a longer one what msgspec found first is told
        message, _, place = str(error).partition(" - at `$")
        where = place.rstrip("`").lstrip(".") or "body"
        raise BadInput(_in_words(message), where=where, hint="see /openapi.json for the shape") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        _check_finite(body)
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Malformed(f"the body is not JSON in UTF-8: {detail}", where="body") from None
    if kind is Any and rb"\u0000" in body:
        _check_nul(value)
    return value


_KINDS = {"array": "a list", "object": "an object", "str": "text", "int": "a whole number", "float": "a number"}
_KINDS |= {"bool": "true or false"}


def _in_words(message: str) -> str:
    """msgspec's "Expected `array`, got `str`" as "must be a list, not text"; its other messages as they are."""
    found = re.fullmatch(r"Expected `(.+)`, got `(.+)`", message)
    if found is None:
        return message.replace("`", "'")
    wanted, given = (" or ".join(_KINDS.get(kind, kind) for kind in side.split(" | ")) for side in found.groups())
    return f"must be {wanted}, not {given}"


def _check_nul(value: Any) -> None:
    """Raises BadInput at the first text with a NUL: one database would keep it, another would not."""
    for each, place in _values(value):
        if (isinstance(each, str) and "\0" in each) or (isinstance(each, dict) and any("\0" in key for key in each)):
            raise BadInput("a text holds a NUL character", where=place or "body", hint="leave it out")


def _check_finite(body: bytes) -> None:
    """Raises BadInput at the first number that is infinite or none (other libraries write such): inputs[3].age."""
    with suppress(ValueError, RecursionError):  # it is no JSON for other reasons, which the caller tells
        values = _values(json.loads(body))
        searched = islice(values, _PLACES)
        place = next((at for each, at in searched if isinstance(each, float) and not math.isfinite(each)), None)
        if place is not None or next(values, None) is not None:
            hint = "JSON has no infinity and no NaN; null says that a value is missing"
            raise BadInput("a number is not finite", where=place or "body", hint=hint)


def _values(value: Any) -> Iterator[tuple[Any, str]]:
    """Every value inside a JSON value with its place, in order, as far as they are asked for."""
    stack: list[Iterator[tuple[Any, str]]] = [iter([(value, "")])]
    while stack:
        for each, place in stack[-1]:
            yield each, place
            if isinstance(each, dict | list):
                stack.append(_members(each, place))
                break
        else:
            stack.pop()


def _members(value: dict[str, Any] | list[Any], place: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, list):
        return ((each, f"{place}[{index}]") for index, each in enumerate(value))
    return ((each, f"{place}.{key}" if place else key) for key, each in value.items())


async def within(deadline_s: float, work: Any) -> Any:
    """`work`'s result, or Unavailable after `deadline_s`."""
    try:
        async with asyncio.timeout(deadline_s):
            return await work
    except TimeoutError:
        raise Unavailable(
            f"no answer within {deadline_s:.0f} s",
            hint="send it again with the request id as Idempotency-Key: if it was counted, its answer comes back",
        ) from None


async def _read(request: Request, limit_bytes: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit_bytes:
        raise _too_large(limit_bytes)
    chunks, received = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        received += len(chunk)
        if received > limit_bytes:
            raise _too_large(limit_bytes)
    return b"".join(chunks)


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit_bytes:,} bytes", where="body", hint="send fewer inputs at once")


def _open_exchange(scope: Scope, new_id: Callable[[], str]) -> Exchange:
    sent = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not sent:
        return Exchange(new_id(), idempotent=False)
    if len(sent) == 1 and 1 <= len(sent[0]) <= 255 and all(33 <= byte <= 126 for byte in sent[0]):
        return Exchange(sent[0].decode("ascii"), idempotent=True)
    return Exchange(new_id(), idempotent=False, bad_id="an Idempotency-Key is 1 to 255 visible ASCII characters, once")


def _add_headers(message: MutableMapping[str, Any], exchange: Exchange) -> None:
    added = [(b"x-request-id", exchange.id.encode())]
    if exchange.pace is not None:
        added += [(name.lower().encode(), value.encode()) for name, value in exchange.pace.headers().items()]
    message["headers"] = [*message["headers"], *added]


def _own_words(request: Request, error: HTTPException) -> Exception:
    if error.status_code == 405:
        return WrongMethod(
            f"{request.method} is not possible here",
            where=request.url.path,
            allow=(error.headers or {}).get("Allow", ""),
        )
    if error.status_code == 404:
        return NotFound("there is nothing at this address", where=request.url.path, hint="see /openapi.json")
    return BadInput(error.detail)
