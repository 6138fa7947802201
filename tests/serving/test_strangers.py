"""What clients without a key, or with bad intentions, cannot do to a gateway and to those it serves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx2
import pytest
from serving.support import PATH, PRODUCT, Company, Running, go_live, problem, running, small, wait_for

from penstock.core.errors import DatabaseUnavailable
from penstock.serving import gateway as gateway_room
from penstock.serving.endpoints import Endpoint
from penstock.storage.engine import Store, Transaction

BIG = b'{"inputs": [' + b'{"a": 1},' * 49_000 + b"1e999]}"


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
                    assert (told["where"], told["detail"]) == ("inputs[49000]", "Number out of range")

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


def test_metrics_and_the_reasons_of_readiness_are_told_to_the_operator_only(company: Company) -> None:
    token = {"Authorization": "Bearer the operator's token"}
    with running(company, operator_token=b"the operator's token") as gateway, gateway.http() as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        go_live(company.store, "f" * 64)  # there is no such blob
        wait_for(lambda: http.get("/readyz").json().get("degraded") == 1)
        for stranger in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic the operator's token"}):
            assert problem(httpx2.get(f"{gateway.url}/metrics", headers=stranger), 401)
            assert PRODUCT not in httpx2.get(f"{gateway.url}/readyz", headers=stranger).text
        assert problem(http.get("/metrics"), 401)  # a customer's key is no operator's
        assert "penstock_ready 1" in http.get("/metrics", headers=token).text
        assert "no blob" in str(http.get("/readyz", headers=token).json()["degraded"])


def test_what_the_driver_says_reaches_the_log_and_no_customer(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def broken(self: Store) -> Iterator[Transaction]:
        raise DatabaseUnavailable("the database answered: unable to open /srv/books/penstock.sqlite")
        yield

    with running(company, operator_token=b"the operator's token") as gateway, gateway.http() as http:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "transaction", broken)
            told = [problem(gateway.predict(["a"]), 503)]
            wait_for(lambda: http.get("/readyz").status_code == 503)
            told.append(problem(http.get("/readyz"), 503))
        assert "/srv/books" not in str(told) and "database answered" not in str(told)
        assert "/srv/books/penstock.sqlite" in caplog.text


@pytest.mark.parametrize(
    ("proxies", "address"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.7"), (("192.0.2.0/24",), "127.0.0.1")]
)
def test_an_address_told_by_others_than_a_proxy_is_not_believed(
    company: Company, monkeypatch: pytest.MonkeyPatch, proxies: tuple[str, ...], address: str
) -> None:
    seen = []
    read = gateway_room._address
    monkeypatch.setattr(gateway_room, "_address", lambda request: seen.append(read(request)) or read(request))
    endpoint = Endpoint("GET", "/v1/things", "customer", lambda request: {})
    with running(company, settings=small(proxies=proxies), endpoints=(endpoint,)) as gateway, gateway.http() as http:
        assert http.get("/v1/things", headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}).status_code == 200
    assert seen == [address]
