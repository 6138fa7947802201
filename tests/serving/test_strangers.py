"""What clients without a key, or with bad intentions, cannot do to a gateway and to those it serves."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from serving.support import PATH, Company, Running, problem, running, small

BIG = b'{"inputs": [' + b'{"a": 1},' * 99_000 + b"1e999]}"


def connect(gateway: Running) -> socket.socket:
    address = urlsplit(gateway.url)
    made = socket.create_connection((address.hostname, address.port), timeout=10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def test_a_head_without_end_is_refused_without_a_key(gateway: Running) -> None:
    with connect(gateway) as client:
        client.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\n")
        with suppress(OSError):
            for _ in range(20_000):
                client.sendall(b"x-a: " + b"a" * 1_000 + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 431 ")


def test_a_body_that_is_too_large_is_refused_with_an_answer_that_arrives(gateway: Running) -> None:
    with gateway.http() as http:
        told = problem(http.post(PATH, content=b"x" * 3_000_000), 413)
        assert "larger than" in told["detail"]
        assert http.get("/healthz").status_code == 200


def test_a_number_without_end_in_a_large_body_makes_nobody_wait(company: Company) -> None:
    with running(company, settings=small(max_body_bytes=2_000_000)) as gateway:
        stop, waits = threading.Event(), []

        def neighbour() -> None:
            with gateway.http() as http:
                while not stop.is_set():
                    started = time.monotonic()
                    assert http.get("/healthz").status_code == 200
                    waits.append(time.monotonic() - started)

        def hostile() -> None:
            with gateway.http() as http:
                for _ in range(3):
                    told = problem(http.post(PATH, content=BIG), 422)
                    assert (told["where"], told["detail"]) == ("inputs[99000]", "Number out of range")

        threads = [threading.Thread(target=hostile) for _ in range(4)]
        watching = threading.Thread(target=neighbour)
        for thread in (watching, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        watching.join()
        assert sorted(waits)[len(waits) // 2] < 0.25


@pytest.mark.parametrize(
    ("body", "where"),
    [('{"inputs": ["a", {"age": [1, NaN]}]}', "inputs[1].age[1]"), ('{"inputs": [1e999]}', "inputs[0]")],
)
def test_a_number_that_is_not_finite_is_named_by_its_place(gateway: Running, body: str, where: str) -> None:
    with gateway.http() as http:
        assert problem(http.post(PATH, content=body), 422)["where"] == where
