"""The office as a process: it says where it is and how to get in, and ends when told to."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import urllib.request
from typing import Any

import pytest
from analytics.harbour import Harbour
from starlette.types import Message

from penstock.app.links import fetch_link
from penstock.console.office import build_office, serve_office
from penstock.core.errors import Unavailable


def test_the_office_announces_its_address_and_a_link_that_works(harbour: Harbour, runs: Any) -> None:
    seen: dict[str, Any] = {}

    def visit(address: str, link: str) -> None:
        try:
            seen["link"] = link
            with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
                seen["health"] = answer.status
            with urllib.request.urlopen(link, timeout=10) as answer:
                seen["cookie"] = answer.headers["set-cookie"]
        finally:
            signal.raise_signal(signal.SIGTERM)

    def ready(address: str, link: str) -> None:
        threading.Thread(target=visit, args=(address, link)).start()

    serve_office(harbour.house, runs, port=0, on_ready=ready)  # returns: SIGTERM must not end the process here
    assert seen["health"] == 200
    assert seen["link"].startswith("http://127.0.0.1:")
    assert "HttpOnly" in seen["cookie"]


def test_a_running_office_gives_a_link_to_who_has_the_token(harbour: Harbour, runs: Any) -> None:
    seen: dict[str, Any] = {}

    def ask(address: str) -> None:
        try:
            with urllib.request.urlopen(fetch_link(harbour.house, address), timeout=10) as answer:
                seen["cookie"] = answer.headers["set-cookie"]
            (harbour.house.workspace.state / "secrets" / "admin").write_text("of another workspace's, 32 bytes")
            with pytest.raises(Unavailable, match="401"):
                fetch_link(harbour.house, address)
            seen["refused"] = True
        finally:
            signal.raise_signal(signal.SIGTERM)

    def ready(address: str, link: str) -> None:
        threading.Thread(target=ask, args=(address,)).start()

    serve_office(harbour.house, runs, port=0, on_ready=ready)
    assert "HttpOnly" in seen["cookie"] and seen["refused"]
    with pytest.raises(Unavailable, match="no office"):
        fetch_link(harbour.house, "http://127.0.0.1:9")


def test_a_port_that_is_taken_is_named(harbour: Harbour, runs: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=str(port)):
            serve_office(harbour.house, runs, port=port)


def test_a_client_that_goes_away_while_it_sends_is_a_line_and_no_traceback(
    harbour: Harbour, runs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app, sent = build_office(harbour.house, runs, b"0123456789abcdef"), []
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/sign-in", "headers": headers, "query_string": b""}
    scope |= {"server": ("127.0.0.1", 8081), "scheme": "http", "http_version": "1.1", "root_path": ""}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    with caplog.at_level(logging.INFO, "penstock.console.office"):
        asyncio.run(app(scope, receive, send))
    assert [message["status"] for message in sent if "status" in message] == [499]
    assert "the client went away" in caplog.text
