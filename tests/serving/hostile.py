"""Requests of clients that mean harm, drawn from a grammar: heads, bodies, encodings, framing, pipelining, and going
away at every stage. The same seed draws the same requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

PATIENCE_S = 1.0  # how long an answer is waited for
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_ID = re.compile(rb"x-request-id: (\S+)")


@dataclass(frozen=True)
class Attack:
    """One connection: what is sent, in pieces, and how it ends: "read" (waits for the answer), "close", "reset",
    "half" (sends no more, reads) or "deaf" (waits without reading)."""

    pieces: tuple[bytes, ...]
    ending: str
    kind: str


@dataclass
class Told:
    """What the server made of them."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)  # the 5xx, with the attack's kind
    refused_connections: int = 0
    sent: int = 0


def attacks(seed: int, count: int, product: str, key: str) -> list[Attack]:
    """So many attacks. key: a valid one, which some of them use."""
    draw = Random(seed)
    return [_attack(draw, product, key) for _ in range(count)]


async def assault(port: int, all_of_them: Sequence[Attack], *, at_once: int = 32) -> Told:
    """Send them to 127.0.0.1, so many connections at once."""
    told, turns = Told(), asyncio.Semaphore(at_once)

    async def one(attack: Attack) -> None:
        async with turns:
            await _send(port, attack, told)

    await asyncio.gather(*(one(attack) for attack in all_of_them))
    return told


async def _send(port: int, attack: Attack, told: Told) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        told.refused_connections += 1
        return
    told.sent += 1
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        for piece in attack.pieces:
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
            if len(attack.pieces) > 1:
                await asyncio.sleep(0)
        if attack.ending == "half":
            writer.write_eof()
        if attack.ending == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if attack.ending in ("read", "half"):
            answer = await _read(reader)
        elif attack.ending == "deaf":
            await asyncio.sleep(PATIENCE_S / 10)
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), PATIENCE_S)
    for match in _STATUS.finditer(answer):
        status = int(match[1])
        told.statuses[status] += 1
        if status >= 500:
            told.failed.append((status, f"{attack.kind}: {answer[match.start() : match.start() + 700]!r}"))


async def _read(reader: asyncio.StreamReader) -> bytes:
    """What arrives until the server closes or is quiet for a moment."""
    answer = b""
    with contextlib.suppress(TimeoutError):
        while part := await asyncio.wait_for(reader.read(65_536), PATIENCE_S if not answer else PATIENCE_S / 20):
            answer += part
            if len(answer) > 4_000_000:
                break
    return answer


def _attack(draw: Random, product: str, key: str) -> Attack:
    garbage = draw.random() < 0.05
    if garbage:
        name = draw.choice(list(_GARBAGE))
        return Attack((_GARBAGE[name](draw),), draw.choice(_ENDINGS), f"garbage {name}")
    kinds, message = [], b""
    for _ in range(draw.choice((1, 1, 1, 1, 2, 3, 40))):  # pipelined
        one, kind = _request(draw, product, key)
        message += one
        kinds.append(kind)
        if len(message) > 2_000_000:
            break
    ending = draw.choice(_ENDINGS)
    if draw.random() < 0.3:  # gone at any stage
        message = message[: draw.randrange(1, len(message) + 1)]
        ending = draw.choice(("close", "reset", "half", "close"))
        kinds.append("cut")
    return Attack(_pieces(draw, message), ending, " + ".join(kinds[:3]) + f" / {ending}")


def _pieces(draw: Random, message: bytes) -> tuple[bytes, ...]:
    count = draw.choice((1, 1, 1, 2, 5, 30))
    if count == 1 or len(message) < 2:
        return (message,)
    cuts = sorted(draw.randrange(len(message)) for _ in range(count - 1))
    return tuple(message[start:end] for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True))


def _request(draw: Random, product: str, key: str) -> tuple[bytes, str]:
    method, path = draw.choice(_routes(draw, product))
    heads, head_kind = [b"Host: x"], "plain"
    auth = draw.choice(
        (f"Bearer {key}",) * 5 + ("", "Bearer", "Bearer sk_live_nothing", "Basic YTpi", "Bearer " + "k" * 5_000)
    )
    if auth:
        heads.append(b"Authorization: " + auth.encode())
    if draw.random() < 0.3:
        head_kind = draw.choice(list(_HEADS))
        heads += _HEADS[head_kind](draw)
    body_kind = "no"
    body = b""
    if method not in ("GET", "HEAD") or draw.random() < 0.1:
        body_kind = draw.choice(list(_BODIES))
        body = _BODIES[body_kind](draw)
        heads.append(b"Content-Type: " + draw.choice(_TYPES))
    framing = "length" if draw.random() < 0.6 else draw.choice(list(_FRAMINGS))
    framing = framing if body or draw.random() < 0.1 else "none"
    framed, more = _FRAMINGS[framing](draw, body) if framing != "none" else (body, [])
    line = f"{method} {path} HTTP/1.1".encode()
    message = b"\r\n".join([line, *heads, *more]) + b"\r\n\r\n" + framed
    return message, f"{method} {path[:30]} head {head_kind} body {body_kind} framing {framing}"


def _routes(draw: Random, product: str) -> list[tuple[str, str]]:
    odd = "".join(
        draw.choice(("a", "%00", "%ff", "..", "/", "%2e", "%", "é".encode().hex(), "{", "'")) for _ in range(8)
    )
    return [
        *[("POST", f"/v1/products/{product}/predict")] * 8,
        ("POST", f"/v1/products/{odd}/predict"),
        ("GET", "/v1/models"),
        ("GET", "/v1/account"),
        ("POST", "/v1/feedback"),
        ("GET", f"/v1/usage?period={draw.choice(('2026-11', '0000-00', '9999-99', odd, '2026-13'))}"),
        ("GET", f"/v1/invoices?after={odd}"),
        ("GET", f"/v1/invoices/{odd}"),
        ("GET", f"/v1/invoices/1/lines/{draw.choice(('1', '-1', '9' * 40, odd))}/events?limit={'9' * 30}"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", f"/{odd}"),
        ("GET", "/" + "a" * draw.choice((10, 10_000, 70_000))),
        ("GET", "/v1/usage?" + "a&" * draw.choice((10, 1_000, 20_000))),
        (draw.choice(("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "FETCH")), "/v1/models"),
    ]


_ENDINGS = ("read", "read", "read", "read", "close", "reset", "half", "deaf")
_TYPES = (
    b"application/json",
    b"application/json; charset=utf-16",
    b"text/plain",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data",
    b"application/x-www-form-urlencoded",
    b"image/png",
)
_GARBAGE: dict[str, Callable[[Random], bytes]] = {
    "bytes": lambda draw: draw.randbytes(draw.choice((1, 100, 10_000, 200_000))),
    "tls": lambda draw: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(500),
    "http/2": lambda draw: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + draw.randbytes(100),
    "http/0.9": lambda draw: b"GET /\r\n",
    "old": lambda draw: b"GET /healthz HTTP/1.0\r\n\r\n",
    "lines": lambda draw: b"\r\n" * draw.choice((1, 1_000, 50_000)),
    "endless head": lambda draw: (
        b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % n for n in range(draw.choice((99, 101, 9_000))))
    ),
    "long header": lambda draw: b"GET / HTTP/1.1\r\nx: " + b"v" * draw.choice((60_000, 70_000, 900_000)),
    "nothing": lambda draw: b"",
}
_HEADS: dict[str, Callable[[Random], list[bytes]]] = {
    "many": lambda draw: [b"x-%d: y" % n for n in range(draw.choice((80, 97, 120)))],
    "large": lambda draw: [b"x: " + b"y" * draw.choice((8_000, 60_000, 70_000))],
    "bytes": lambda draw: [b"x: " + bytes(draw.randrange(128, 256) for _ in range(50))],
    "nul": lambda draw: [b"x: a\x00b"],
    "folded": lambda draw: [b"x: a", b" b"],
    "no colon": lambda draw: [b"nothing"],
    "blank before colon": lambda draw: [b"x : y"],
    "two hosts": lambda draw: [b"Host: y"],
    "idempotency": lambda draw: [b"Idempotency-Key: " + draw.choice((b"once", b"", b"k" * 300, b"\xff\xfe", b"a b"))],
    "two idempotency keys": lambda draw: [b"Idempotency-Key: a", b"Idempotency-Key: b"],
    "two keys": lambda draw: [b"Authorization: Bearer sk_live_other"],
    "expect": lambda draw: [b"Expect: " + draw.choice((b"100-continue", b"the worst"))],
    "upgrade": lambda draw: [b"Connection: Upgrade", b"Upgrade: " + draw.choice((b"websocket", b"h2c"))],
    "close": lambda draw: [b"Connection: close"],
    "encoding": lambda draw: [b"Content-Encoding: gzip"],
    "forwarded": lambda draw: [b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=unknown"],
}


def _inputs(value: object) -> bytes:
    return json.dumps({"inputs": value}).encode()


_BODIES: dict[str, Callable[[Random], bytes]] = {
    "good": lambda draw: _inputs([f"where is parcel {draw.randrange(1_000)}"] * draw.choice((1, 3, 40))),
    "explained": lambda draw: json.dumps({"inputs": ["where is it " * draw.choice((1, 50))], "explain": True}).encode(),
    "long": lambda draw: _inputs(["where is it " * draw.choice((100, 1_600))] * draw.choice((1, 4))),
    "too long": lambda draw: _inputs(["x" * 20_001]),
    "too many": lambda draw: _inputs(["x"] * 257),
    "too large": lambda draw: _inputs(["x" * 3_900] * 300),
    "none": lambda draw: _inputs([]),
    "types": lambda draw: _inputs(draw.choice((None, 1, "x", {}, [None], [1], [[]], [{}], [True], ["", " "]))),
    "unknown": lambda draw: json.dumps({"inputs": ["a"], "__proto__": 1}).encode(),
    "twice": lambda draw: b'{"inputs":["a"],"inputs":["b"]}',
    "explain what": lambda draw: b'{"inputs":["a"],"explain":' + draw.choice((b"1", b'"yes"', b"null", b"[]")) + b"}",
    "not json": lambda draw: draw.choice(
        (b"{", b"nothing", b"'a'", b"{'inputs':['a']}", b"[" * 10, b'{"inputs":["a"]}x')
    ),
    "deep": lambda draw: b'{"inputs":' + b"[" * draw.choice((100, 5_000, 400_000)),
    "wide": lambda draw: b'{"inputs":[' + b"[]," * draw.choice((100, 30_000, 300_000)) + b"1]}",
    "infinite": lambda draw: (
        b'{"inputs":[' + b"1," * draw.choice((1, 5_000, 400_000)) + draw.choice((b"1e999", b"NaN")) + b"]}"
    ),
    "integer": lambda draw: b'{"inputs":[' + b"9" * draw.choice((30, 5_000)) + b"]}",
    "utf-8": lambda draw: b'{"inputs":["' + draw.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf")) + b'"]}',
    "utf-16": lambda draw: '{"inputs":["a"]}'.encode("utf-16"),
    "bom": lambda draw: b"\xef\xbb\xbf" + _inputs(["a"]),
    "surrogate": lambda draw: rb'{"inputs":["\ud800"]}',
    "nul": lambda draw: rb'{"inputs":["a\u0000b"],"comment":"\u0000"}',
    "controls": lambda draw: _inputs(["".join(chr(n) for n in range(1, 160))]),
    "unicode": lambda draw: _inputs(
        ["".join(chr(draw.randrange(0x10000, 0x1F000)) for _ in range(200)), "\u202e\u0301" * 500]
    ),
    "feedback": lambda draw: json.dumps(
        {
            "id": "req_" + "x" * draw.choice((1, 300)),
            "index": draw.choice((0, -1, 10**30, "a", None)),
            "rating": draw.choice((1, "up", None, [])),
            "comment": "c" * draw.choice((1, 90_000)),
        }
    ).encode(),
    "form": lambda draw: (
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n'
        + b"h: v\r\n" * draw.choice((1, 9_000))
        + b"\r\nx\r\n--x--\r\n"
    ),
    "bytes": lambda draw: draw.randbytes(draw.choice((10, 50_000))),
}

Framed = tuple[bytes, list[bytes]]


def _chunked(draw: Random, body: bytes) -> bytes:
    size = draw.choice((1, 100, 70_000)) if len(body) < 5_000 else draw.choice((5_000, 70_000))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


_TE = b"Transfer-Encoding: chunked"
_FRAMINGS: dict[str, Callable[[Random, bytes], Framed]] = {
    "length": lambda draw, body: (body, [b"Content-Length: %d" % len(body)]),
    "chunked": lambda draw, body: (_chunked(draw, body) + b"0\r\n\r\n", [_TE]),
    "short": lambda draw, body: (body, [b"Content-Length: %d" % (len(body) // 2)]),
    "beyond": lambda draw, body: (body, [b"Content-Length: %d" % (len(body) + 100)]),
    "absurd": lambda draw, body: (
        body,
        [b"Content-Length: " + draw.choice((b"-1", b"9" * 30, b"0x10", b"1e3", b"+5", b"abc"))],
    ),
    "two lengths": lambda draw, body: (body, [b"Content-Length: 1", b"Content-Length: %d" % len(body)]),
    "both": lambda draw, body: (_chunked(draw, body) + b"0\r\n\r\n", [_TE, b"Content-Length: 3"]),
    "no end": lambda draw, body: (_chunked(draw, body), [_TE]),
    "bad chunk": lambda draw, body: (
        draw.choice((b"zz\r\nab\r\n", b"F" * 20 + b"\r\na", b"-1\r\n", b"1\r\nabc\r\n")),
        [_TE],
    ),
    "extension": lambda draw, body: (b"1;" + b"e" * draw.choice((10, 70_000)) + b"\r\na\r\n0\r\n\r\n", [_TE]),
    "trailers": lambda draw, body: (
        _chunked(draw, body) + b"0\r\n" + b"t: v\r\n" * draw.choice((1, 9_000)) + b"\r\n",
        [_TE],
    ),
    "unknown coding": lambda draw, body: (
        body,
        [b"Transfer-Encoding: " + draw.choice((b"gzip", b"chunked, gzip", b"xchunked"))],
    ),
}
