"""The office as a process: it says where it is and how to get in, and ends when told to."""

from __future__ import annotations

import signal
import socket
import threading
import urllib.request
from typing import Any

import pytest
from analytics.harbour import Harbour

from penstock.app.links import fetch_link
from penstock.console.office import serve_office
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
