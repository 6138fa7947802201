"""Addresses that people typed in: only public ones over https, at the address that was checked, within bounds."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from monitoring.opinion_web import serving

from penstock.core.errors import BadInput, Unavailable
from penstock.tasks.opinion import outgoing
from penstock.tasks.opinion.outgoing import call, is_public

PRIVATE = (
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 240.0.0.1 255.255.255.255 "
    "::1 :: fe80::1 fd00::1 ::ffff:127.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1 64:ff9b::e000:1 "
    "::7f00:1 ::8.8.8.8 64:ff9b:1::808:808"
)
FORBIDDEN = (
    "http://example.com/ ftp://example.com/ https:// https://user:pw@example.com/ https://[::1 file:///etc/passwd "
    "https://x:99999/ https://127.0.0.1/ https://[::1]/ https://localhost/ https://2130706433/"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_in_all_their_forms_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", FORBIDDEN.split())
def test_what_may_not_be_called_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises((BadInput, Unavailable)):
        call("POST", url, body=b"{}")


def test_a_name_that_means_a_private_and_a_public_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("8.8.8.8", 443)), (2, 1, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(BadInput, match=r"127\.0\.0\.1"):
        call("GET", "https://two-faced.example/")


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as web:
        port = int(web.url.rpartition(":")[2])
        looked: list[str] = []

        def once(host: str, *_: Any, **__: Any) -> list[Any]:
            looked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(outgoing.socket, "getaddrinfo", once)
        assert call("POST", f"http://hooks.example:{port}/a?b=c", body=b"{}", private=True).status == 204
        [(path, headers, body)] = web.asked
    assert (path, headers["host"], body) == ("/a?b=c", f"hooks.example:{port}", b"{}")
    assert looked[0] == "hooks.example" and "hooks.example" not in looked[1:]


def test_a_redirect_is_not_followed() -> None:
    with serving(lambda path, headers: (302, {"Location": "http://127.0.0.1/elsewhere"}, b"")) as web:
        with pytest.raises(Unavailable, match="302"):
            call("POST", web.url, body=b"{}", private=True)
        assert len(web.asked) == 1


def test_an_answer_without_end_is_cut_off() -> None:
    with (
        serving(lambda path, headers: (200, {}, b"x" * 5_000)) as web,
        pytest.raises(Unavailable, match="more than"),
    ):
        call("GET", web.url, private=True, most_bytes=1_000)


def test_a_packed_answer_is_refused() -> None:
    with (
        serving(lambda path, headers: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")) as web,
        pytest.raises(Unavailable),
    ):
        call("GET", web.url, private=True)


def test_nobody_there_is_said_without_the_secret_in_the_path() -> None:
    with serving() as web:
        gone = web.url
    with pytest.raises(Unavailable) as refused:
        call("POST", f"{gone}/secret-token", private=True)
    assert "secret-token" not in str(refused.value)


def test_a_host_in_other_letters_is_called_by_its_ascii_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as web:
        port = int(web.url.rpartition(":")[2])
        looked: list[str] = []

        def once(host: str, *_: Any, **__: Any) -> list[Any]:
            looked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(outgoing.socket, "getaddrinfo", once)
        assert call("POST", f"http://bücher.example:{port}/größe", body=b"{}", private=True).status == 204
        [(path, headers, _)] = web.asked
    assert (looked[0], headers["host"]) == ("xn--bcher-kva.example", f"xn--bcher-kva.example:{port}")
    assert path == "/gr%C3%B6%C3%9Fe"


def test_a_host_that_no_dns_can_name_is_refused() -> None:
    with pytest.raises(BadInput, match="no host's name"):
        call("POST", "https://xn--bücher.example/", body=b"{}")


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_receiver_that_drips_is_cut_off_in_time(said: bytes) -> None:
    closed = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(said)
            try:
                while not closed.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(Unavailable, match=r"within 0\.2 s"):
            call("POST", url, body=b"{}", private=True, timeout_s=0.2)
        assert closed.wait(5)  # and the connection is let go
        thread.join(5)


def test_a_name_that_is_looked_up_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    def late(*_: Any, **__: Any) -> list[Any]:
        given_up.wait(5)
        raise OSError

    monkeypatch.setattr(outgoing.socket, "getaddrinfo", late)
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        call("GET", "https://slow.example/", timeout_s=0.05)
    given_up.set()
