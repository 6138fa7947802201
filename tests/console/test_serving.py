"""The office as a process: it says where it is and how to get in, and ends when told to."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import urllib.request
from dataclasses import replace
from typing import Any

import pytest
from analytics.harbour import Harbour
from runtime.certificates import make_certificate
from starlette.types import Message

from penstock.app.links import fetch_link
from penstock.console.office import build_office, serve_office
from penstock.core.errors import Unavailable
from penstock.identity.sessions import Session, list_sessions
from penstock.runtime.tls import own_context
from penstock.workspace.records import OfficeSettings, Tls


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


def settled(harbour: Harbour, **office: Any) -> Harbour:
    """The company with other words under [office]."""
    workspace = harbour.house.workspace.model_copy(update={"office": OfficeSettings(**office)})
    return replace(harbour, house=replace(harbour.house, workspace=workspace))


def signed_in(harbour: Harbour, runs: Any, **headers: str) -> tuple[str, str, Session]:
    """What a browser that follows a link of this office gets: the link, its cookie, and the session."""
    seen: dict[str, str] = {}

    def visit(address: str) -> None:
        try:
            seen["link"] = fetch_link(harbour.house, address)
            asked = urllib.request.Request(seen["link"], headers=headers)
            with urllib.request.urlopen(asked, timeout=10, context=own_context(harbour.house.workspace, "office")) as a:
                seen["cookie"] = a.headers["set-cookie"]
        finally:
            signal.raise_signal(signal.SIGTERM)

    serve_office(
        harbour.house,
        runs,
        port=0,
        on_ready=lambda address, link: threading.Thread(target=visit, args=(address,)).start(),
    )
    with harbour.store.read() as tx:
        return seen["link"], seen["cookie"], list_sessions(tx)[0]


def test_an_office_with_a_certificate_speaks_https_to_all(harbour: Harbour, runs: Any) -> None:
    make_certificate(harbour.house.folder, name="office.example.com")
    secure = settled(harbour, tls=Tls(certificate="server.pem", key="server.key"))
    link, cookie, _ = signed_in(secure, runs)
    assert link.startswith("https://127.0.0.1:") and "Secure" in cookie


@pytest.mark.parametrize(
    ("proxies", "address", "secure"),
    [((), "127.0.0.1", False), (("127.0.0.0/8",), "192.0.2.7", True), (("192.0.2.1",), "127.0.0.1", False)],
)
def test_the_word_of_a_proxy_is_taken_and_of_nobody_else(
    harbour: Harbour, runs: Any, proxies: tuple[str, ...], address: str, secure: bool
) -> None:
    told = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7", "X-Forwarded-Proto": "https"}  # the first is the client's own
    _, cookie, session = signed_in(settled(harbour, proxies=proxies), runs, **told)
    assert (session.address, "Secure" in cookie) == (address, secure)
