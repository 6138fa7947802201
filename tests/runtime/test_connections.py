"""Connections of clients that send too much, too slowly, too often or nothing at all."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest
import uvicorn

from penstock.runtime.connections import Bounds, belongs_to, bounded_protocol

QUICK = Bounds(head_bytes=4_096, headers=20, head_s=0.5, drain_s=0.5, pipelined=4, strangers=4)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Names the path. /known recognises the client, /refuse does not read the body, /slow takes its time."""
    path = scope["path"]
    if path.startswith("/known"):
        belongs_to(scope, "ada")
    if path.startswith("/slow"):
        await asyncio.sleep(0.2)
    body = path.encode()
    if path != "/refuse":
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413 if path == "/refuse" else 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(bounds: Bounds = QUICK, tls: Any = None, loop: Any = "uvloop", force: bool = True) -> Iterator[int]:
    """The port of a server with these bounds. force: it ends without waiting for its connections."""
    ids = map("req_{}".format, itertools.count())
    protocol = bounded_protocol(bounds, lambda: next(ids), tls)
    config = uvicorn.Config(echo, http=protocol, loop=loop, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit, server.force_exit = True, force
        thread.join(10)
        listener.close()


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def everything(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while chunk := client.recv(65_536):
        received += chunk
    return received


def flood(client: socket.socket, piece: bytes, times: int) -> None:
    with suppress(OSError):  # the server has had enough
        for _ in range(times):
            client.sendall(piece)


@pytest.mark.parametrize(
    "piece",
    [b"x-a: " + b"a" * 1_000 + b"\r\n", b"a" * 1_000, b"b: c\r\n"],
    ids=["many large headers", "one endless header", "many small headers"],
)
def test_a_head_without_end_is_refused_and_takes_no_memory(piece: bytes) -> None:
    with serving() as port:
        before = psutil.Process(os.getpid()).memory_info().rss
        with connect(port) as client:
            client.sendall(b"GET / HTTP/1.1\r\nx: ")
            flood(client, piece, 20_000)
            told = everything(client)
        grown = psutil.Process(os.getpid()).memory_info().rss - before
    assert told.startswith(b"HTTP/1.1 431 ") and grown < 20_000_000
    head, _, body = told.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert problem["status"] == 431 and f"x-request-id: {problem['instance']}".encode() in head


def test_trailers_without_end_are_cut_off() -> None:
    with serving() as port, connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        flood(client, b"x-a: " + b"a" * 1_000 + b"\r\n", 10_000)
        everything(client)
        assert alive(port)


@pytest.mark.parametrize(("sent", "answered"), [(b"", b""), (b"GET / HT", b"HTTP/1.1 408 ")])
def test_a_client_that_is_slow_or_silent_is_cut_off(sent: bytes, answered: bytes) -> None:
    with serving() as port, connect(port) as client:
        started = time.monotonic()
        client.sendall(sent)
        assert everything(client).startswith(answered)
        assert 0.4 < time.monotonic() - started < 3


def test_a_head_that_comes_drop_by_drop_does_not_get_more_time() -> None:
    with serving() as port, connect(port) as client:
        client.settimeout(0.05)
        started, told = time.monotonic(), b""
        while time.monotonic() - started < 4 and not told:
            try:
                client.sendall(b"x")
                told = client.recv(100)
            except TimeoutError:
                continue
        assert told.startswith(b"HTTP/1.1 4") and time.monotonic() - started < 3


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_a_refusal_arrives_though_the_client_reads_only_after_it_wrote_all(connection: bytes) -> None:
    size = 4_000_000
    with serving() as port, connect(port) as client:
        head = b"POST /refuse HTTP/1.1\r\nhost: x\r\nconnection: %s\r\ncontent-length: %d\r\n\r\n"
        client.sendall(head % (connection, size))
        for _ in range(size // 40_000):
            client.sendall(b"x" * 40_000)
        assert client.recv(1_000).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_nobody_reads_is_not_taken_for_ever() -> None:
    with serving(Bounds(drain_bytes=100_000, drain_s=0.5)) as port:
        for body in (b"x" * 1_000_000, b"x"):  # too much, and too slow
            with connect(port) as client:
                client.sendall(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
                started = time.monotonic()
                flood(client, body, 1)
                told = b""
                with suppress(ConnectionResetError):
                    told = everything(client)
                assert time.monotonic() - started < 3 and (b"413" in told or len(body) > 1)


def test_a_connection_goes_on_after_a_refusal_whose_body_came_whole() -> None:
    with serving() as port, connect(port) as client:
        client.sendall(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
        assert b" 413 " in client.recv(1_000)
        client.sendall(b"hello" + GET)
        assert b" 200 " in client.recv(1_000)
        time.sleep(0.8)  # longer than a body may go on arriving
        client.sendall(GET)
        assert b" 200 " in client.recv(1_000)


def test_the_oldest_stranger_makes_place_and_the_known_stay(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), serving() as port:
        known = connect(port)
        known.sendall(GET.replace(b"/ ", b"/known "))
        assert b" 200 " in known.recv(1_000)
        strangers = [connect(port) for _ in range(12)]
        newest = strangers[-1]
        newest.sendall(GET)
        assert b" 200 " in newest.recv(1_000)
        known.sendall(GET)
        assert b" 200 " in known.recv(1_000)
        assert strangers[0].recv(10) == b""
        for one in (known, *strangers):
            one.close()
    assert "connections are open" in caplog.text


def test_many_requests_at_once_on_one_connection_are_answered_as_far_as_they_are_taken() -> None:
    with serving() as port, connect(port) as client:
        asked = b"".join(b"GET /slow%d HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(30))
        client.sendall(asked)
        told = everything(client)
        assert told.count(b" 200 ") == 1 + QUICK.pipelined
        assert b"/slow0" in told and b"/slow4" in told and b"/slow5" not in told


def test_garbage_behind_a_request_does_not_spoil_its_answer() -> None:
    with serving() as port, connect(port) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n\x00\x01\x02 what\r\n\r\n")
        told = everything(client)
        assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b"/slow")


def test_an_answer_that_nobody_fetches_is_given_up() -> None:
    with serving(Bounds(write_s=0.3)) as port, connect(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        path = b"/" + b"a" * 60_000
        flood(client, b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n", 400)
        assert alive(port)


def alive(port: int) -> bool:
    with connect(port) as client:
        client.sendall(GET)
        return b" 200 " in client.recv(1_000)
