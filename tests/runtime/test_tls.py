"""TLS of our own: what is served, what is refused, and that nobody holds a connection by not shaking hands."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from runtime.certificates import TLS, make_certificate
from runtime.test_connections import GET, connect, everything, serving

from penstock.core.errors import BadInput
from penstock.pipeline.check import check_workspace
from penstock.pipeline.doctor import examine
from penstock.runtime.connections import Bounds
from penstock.runtime.tls import address, own_context, served_tls, server_context
from penstock.workspace.loader import load
from penstock.workspace.records import Workspace

PATIENT = Bounds()  # ten seconds for a handshake, thirty for what is written
TOML = f'[company]\nname = "Harbour AI"\n\n[gateway]\n{TLS}'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    make_certificate(tmp_path)
    (tmp_path / "penstock.toml").write_text(TOML)
    return load(tmp_path)


def shaken(workspace: Workspace, port: int, **versions: ssl.TLSVersion) -> ssl.SSLSocket:
    context = own_context(workspace, "gateway")
    assert context is not None
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # to offer what is too old
    for name, version in versions.items():
        setattr(context, name, version)
    return context.wrap_socket(connect(port))


def one_answer(client: ssl.SSLSocket, request: bytes = GET) -> bytes:
    client.sendall(request)
    told = b""
    while not told.endswith(b"\r\n\r\n/"):
        told += client.recv(65_536) or b"closed\r\n\r\n/"
    return told


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_are_answered_one_after_the_other(workspace: Workspace, loop: str, version: ssl.TLSVersion) -> None:
    with (
        serving(tls=served_tls(workspace, "gateway"), loop=loop) as port,
        shaken(workspace, port, minimum_version=version, maximum_version=version) as client,
    ):
        for _ in range(3):
            assert one_answer(client).startswith(b"HTTP/1.1 200 ")
        body = b"x" * 1_000_000
        head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        client.sendall(head + body)
        assert everything(client).startswith(b"HTTP/1.1 200 ")


def test_many_clients_that_send_with_their_last_word_of_the_handshake_lose_nothing(workspace: Workspace) -> None:
    answers: list[bytes] = []

    def ask(port: int) -> None:
        for _ in range(10):
            with shaken(workspace, port) as client:
                answers.append(one_answer(client)[:12])

    with serving(tls=served_tls(workspace, "gateway")) as port:
        threads = [threading.Thread(target=ask, args=(port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [b"HTTP/1.1 200"] * 30


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "a byte", "half a hello"])
def test_who_never_shakes_hands_is_cut_off_like_a_slow_head(workspace: Workspace, sent: bytes) -> None:
    with serving(tls=served_tls(workspace, "gateway")) as port, connect(port) as client:
        started = time.monotonic()
        client.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert everything(client) == b""
        assert 0.4 < time.monotonic() - started < 3


def test_who_shakes_hands_and_is_silent_is_cut_off_too(workspace: Workspace) -> None:
    with serving(tls=served_tls(workspace, "gateway")) as port, shaken(workspace, port) as client:
        started = time.monotonic()
        assert everything(client) == b""
        assert 0.4 < time.monotonic() - started < 3


def test_those_who_never_shake_hands_count_as_strangers(workspace: Workspace) -> None:
    few = replace(PATIENT, strangers=4)
    with serving(few, tls=served_tls(workspace, "gateway")) as port:
        silent = [connect(port) for _ in range(few.strangers)]
        with shaken(workspace, port) as client:
            assert one_answer(client).startswith(b"HTTP/1.1 200 ")
        with contextlib.suppress(ConnectionResetError):
            assert everything(silent[0]) == b""
        silent[1].settimeout(0.1)
        with pytest.raises(TimeoutError):  # the oldest made place, long before its time was over
            silent[1].recv(1)
        for one in silent:
            one.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_what_is_no_tls_or_too_old_gets_nothing(workspace: Workspace) -> None:
    with serving(tls=served_tls(workspace, "gateway")) as port:
        with connect(port) as client, contextlib.suppress(ConnectionResetError):
            client.sendall(GET)
            assert b"HTTP" not in everything(client)
        old = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            shaken(workspace, port, minimum_version=old, maximum_version=old)
        with shaken(workspace, port) as client:
            assert one_answer(client).startswith(b"HTTP/1.1 200 ")


def test_stopping_waits_neither_for_handshakes_nor_for_goodbyes(workspace: Workspace) -> None:
    with serving(PATIENT, tls=served_tls(workspace, "gateway"), force=False) as port:
        silent, idle = connect(port), shaken(workspace, port)
        assert one_answer(idle).startswith(b"HTTP/1.1 200 ")
        started = time.monotonic()
    assert time.monotonic() - started < 3
    silent.close()
    idle.close()


def test_our_own_calls_take_the_certificate_by_any_name_and_age_and_no_other(workspace: Workspace) -> None:
    make_certificate(workspace.folder, days=-1)
    with serving(tls=served_tls(workspace, "gateway")) as port:
        with shaken(workspace, port) as client:
            assert one_answer(client).startswith(b"HTTP/1.1 200 ")
        elsewhere = workspace.folder / "other"
        elsewhere.mkdir()
        make_certificate(elsewhere)
        (elsewhere / "penstock.toml").write_text(TOML)
        with pytest.raises(ssl.SSLCertVerificationError):
            shaken(load(elsewhere), port)


def test_a_renewed_certificate_is_taken_up_and_a_bad_one_is_not(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    def served(port: int) -> str:
        return ssl.get_server_certificate(("127.0.0.1", port))

    with serving(tls=served_tls(workspace, "gateway")) as port:
        first = served(port)
        make_certificate(workspace.folder)
        second = served(port)
        assert second != first and second == (workspace.folder / "server.pem").read_text()
        (workspace.folder / "server.key").write_text("half written")
        assert served(port) == second
        assert "goes on with the certificate it had" in caplog.text


def locked(folder: Path) -> None:
    key = load_pem_private_key((folder / "server.key").read_bytes(), None)
    kept = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "server.key").write_bytes(kept)


def of_another(folder: Path) -> None:
    kept = (folder / "server.pem").read_bytes()
    make_certificate(folder)
    (folder / "server.pem").write_bytes(kept)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda at: (at / "server.pem").unlink(), "certificate: server.pem cannot be read: No such file"),
        (lambda at: (at / "server.pem").write_text("x"), "certificate: server.pem holds no certificate in PEM"),
        (lambda at: (at / "server.key").unlink(), "key: server.key cannot be read: No such file"),
        (lambda at: (at / "server.key").write_text("x"), "key: server.key holds no private key in PEM"),
        (locked, "key: server.key is locked with a passphrase"),
        (of_another, "key: server.key does not belong to the certificate"),
    ],
)
def test_files_that_do_not_serve_are_named_with_their_line(
    workspace: Workspace, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(workspace.folder)
    for ask in (lambda: server_context(workspace, "gateway"), lambda: check_workspace(workspace)):
        with pytest.raises(BadInput) as caught:
            ask()
        assert f"penstock.toml:5: gateway.tls.{told}" in str(caught.value)
    [found] = [one for one in examine(workspace.folder) if one.what == "gateway certificate"]
    assert found.verdict == "bad" and told in found.found


@pytest.mark.parametrize(("days", "verdict"), [(90, "ok"), (29, "doubt"), (-1, "bad")])
def test_doctor_says_when_a_certificate_ends(workspace: Workspace, days: int, verdict: str) -> None:
    make_certificate(workspace.folder, days=days)
    found = {one.what: one for one in examine(workspace.folder)}
    assert found["gateway certificate"].verdict == verdict
    assert "gateway key" not in found and "office certificate" not in found


def test_doctor_says_when_others_may_read_the_key(workspace: Workspace) -> None:
    (workspace.folder / "server.key").chmod(0o644)
    [found] = [one for one in examine(workspace.folder) if one.what == "gateway key"]
    assert found.verdict == "doubt" and found.remedy.startswith("chmod ")


def test_without_a_certificate_nothing_is_said_of_tls(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[company]\nname = "Harbour AI"\n')
    plain = load(tmp_path)
    assert served_tls(plain, "gateway") is None and own_context(plain, "office") is None
    assert not [one for one in examine(tmp_path) if "certificate" in one.what]


@pytest.mark.parametrize(
    ("host", "reached"),
    [("::", "http://[::1]:81"), ("0.0.0.0", "http://127.0.0.1:81"), ("fe80::7", "http://[fe80::7]:81")],
)
def test_what_listens_everywhere_is_told_by_an_address_that_a_browser_reaches(host: str, reached: str) -> None:
    assert address(host, 81, tls=False) == reached
