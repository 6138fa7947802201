"""A customer's program: typed answers, typed errors, and retries that never count twice."""

from __future__ import annotations

import ast
import asyncio
import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

import penstock.client
from penstock.client import (
    ApiError,
    AsyncClient,
    BadRequest,
    Client,
    Conflict,
    CreditExhausted,
    Forbidden,
    NotFound,
    Prediction,
    QuotaExceeded,
    RateLimited,
    Retries,
    Unauthorised,
    Unavailable,
)

ANSWER = {
    "id": "r1",
    "product": "helpdesk",
    "release": "rel_1",
    "outputs": [{"label": "billing", "score": 0.9}],
    "usage": {"units": 1, "amount": "0.0040", "currency": "USD"},
}
Behaviour = Callable[[httpx2.Request], httpx2.Response]


class Server:
    """Answers from a script; remembers what it was sent and how long the client slept."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, httpx2.Response)
        return step

    def client(self, **options: Any) -> Client:
        transport = httpx2.MockTransport(self)
        return Client(
            "http://gateway",
            "sk_live_x",
            transport=transport,
            sleep=self.slept.append,
            chance=random.Random(1),
            **options,
        )

    def keys(self) -> set[str]:
        return {request.headers["idempotency-key"] for request in self.requests}


def ok() -> httpx2.Response:
    return httpx2.Response(200, json=ANSWER)


def refused(status: int, slug: str = "x", headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
    told = {"type": f"urn:penstock:problem:{slug}", "title": "No", "status": status, "detail": "because", **more}
    content = json.dumps(told).encode()
    kind = {"content-type": "application/problem+json", "x-request-id": "r1"}
    return httpx2.Response(status, content=content, headers=kind | (headers or {}))


def test_an_answer_comes_back_as_a_record() -> None:
    server = Server(ok())
    with server.client() as client:
        got = client.predict("helpdesk", ["where is my order"])
    assert got == Prediction("r1", "helpdesk", "rel_1", (ANSWER["outputs"][0],), 1, Decimal("0.0040"), "USD")  # type: ignore[index]
    [request] = server.requests
    assert request.url.path == "/v1/products/helpdesk/predict"
    assert request.headers["authorization"] == "Bearer sk_live_x"
    assert json.loads(request.content) == {"inputs": ["where is my order"]}


def test_whatever_fails_on_the_way_is_sent_again_under_the_same_key() -> None:
    server = Server(httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow"), refused(503), refused(500), ok())
    with server.client() as client:
        assert client.predict("helpdesk", ["a"]).id == "r1"
    assert len(server.requests) == 5 and len(server.keys()) == 1
    assert all(0 <= slept <= 0.2 * 2**n for n, slept in enumerate(server.slept))


def test_the_server_s_own_waiting_time_is_kept() -> None:
    server = Server(
        refused(429, "rate-limited", {"Retry-After": "7"}), refused(503, headers={"Retry-After": "2"}), ok()
    )
    with server.client() as client:
        client.predict("helpdesk", ["a"], request_id="order-17")
    assert 7 <= server.slept[0] <= 8 and 2 <= server.slept[1] <= 3
    assert server.keys() == {"order-17"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(400), BadRequest),
        (refused(401), Unauthorised),
        (refused(402), CreditExhausted),
        (refused(403), Forbidden),
        (refused(404), NotFound),
        (refused(409), Conflict),
        (refused(413), BadRequest),
        (refused(422), BadRequest),
        (refused(429, "quota-exceeded"), QuotaExceeded),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value.status_code),
)
def test_what_sending_again_cannot_help_is_raised_at_once(answer: httpx2.Response, kind: type[ApiError]) -> None:
    server = Server(answer)
    with server.client() as client, pytest.raises(kind) as caught:
        client.predict("helpdesk", ["a"])
    assert type(caught.value) is kind and caught.value.status == answer.status_code
    assert server.slept == []


def test_an_error_says_what_where_and_what_to_do() -> None:
    server = Server(refused(422, "bad-input", where="inputs[3]", hint="send a text"))
    with server.client() as client, pytest.raises(BadRequest) as caught:
        client.predict("helpdesk", ["a"])
    assert str(caught.value) == "inputs[3]: because\n  send a text"
    assert caught.value.request_id == "r1" and caught.value.type == "urn:penstock:problem:bad-input"


@pytest.mark.parametrize(("status", "kind"), [(503, Unavailable), (429, RateLimited)])
def test_it_gives_up_in_the_end_with_the_last_reason(status: int, kind: type[ApiError]) -> None:
    server = Server(*[refused(status) for _ in range(3)])
    with server.client(retries=Retries(attempts=3)) as client, pytest.raises(kind):
        client.predict("helpdesk", ["a"])
    assert len(server.requests) == 3


def test_it_does_not_sleep_for_an_hour_because_a_server_says_so() -> None:
    server = Server(refused(429, "rate-limited", {"Retry-After": "3600"}))
    with server.client() as client, pytest.raises(RateLimited) as caught:
        client.predict("helpdesk", ["a"])
    assert caught.value.retry_after_s == 3600 and server.slept == []


def test_a_server_that_is_something_else_is_told_plainly() -> None:
    server = Server(httpx2.Response(200, html="<h1>It works!</h1>"), httpx2.Response(502, html="<h1>Bad gateway</h1>"))
    with server.client(retries=Retries(attempts=1)) as client:
        with pytest.raises(Unavailable, match="not one of this interface"):
            client.predict("helpdesk", ["a"])
        with pytest.raises(Unavailable, match="answered 502"):
            client.predict("helpdesk", ["a"])


def test_an_address_where_nobody_listens_is_told_plainly() -> None:
    with (
        Client("http://127.0.0.1:9", "pk", retries=Retries(attempts=2), sleep=lambda s: None) as client,
        pytest.raises(Unavailable, match=r"no answer from http://127\.0\.0\.1:9"),
    ):
        client.models()


def test_names_go_into_addresses_safely() -> None:
    server = Server(httpx2.Response(200, json={}))
    with server.client() as client:
        client.invoice_events("../../admin?x=1", 2)
    assert server.requests[0].url.raw_path == b"/v1/invoices/..%2F..%2Fadmin%3Fx%3D1/lines/2/events"


def test_the_async_client_does_the_same() -> None:
    server = Server(refused(503), httpx2.ConnectError("refused"), ok())

    async def talk() -> Prediction:
        async def sleep(seconds: float) -> None:
            server.slept.append(seconds)

        transport = httpx2.MockTransport(server)
        async with AsyncClient("http://gateway", "pk", transport=transport, sleep=sleep) as client:
            return await client.predict("helpdesk", ["a"])

    assert asyncio.run(talk()).amount == Decimal("0.0040")
    assert len(server.requests) == 3 and len(server.keys()) == 1 and len(server.slept) == 2


def test_both_clients_offer_the_same_calls() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert offered(Client) == offered(AsyncClient) >= {"predict", "feedback", "usage", "invoices", "models"}


def test_the_client_stands_alone() -> None:
    folder = Path(str(penstock.client.__file__)).parent
    files = list(folder.glob("*.py"))
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
    assert len(files) >= 5
    assert {name for name in found if name.startswith("penstock") and not name.startswith("penstock.client")} == set()
