"""HTTP to addresses that people typed in: https only, public addresses only, no redirects, bounded size and time.

The host's name is looked up once, every address it has is checked, and the connection goes to a checked address, so
that a name cannot mean one host when checked and another when called.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx2

from penstock.core.errors import BadInput, Unavailable

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64_000
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC = (  # both hold IPv4 addresses of someone's own network: IPv4-compatible ones, and local-use NAT64
    ipaddress.IPv6Network("::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)


@dataclass(frozen=True)
class Answer:
    """What came back. body: at most the bytes asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def call(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    private: bool = False,
    most_bytes: int = MAX_ANSWER_BYTES,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """One request. private: private and loopback addresses, and plain http, are allowed. timeout_s: for all of it.

    Raises BadInput for an address that may not be called, Unavailable when it has not answered in full in time,
    redirects, or answers more than `most_bytes`.
    """
    parts, name = _checked_url(url, private)
    shown = f"{parts.scheme}://{parts.hostname}"
    port = parts.port or _PORTS[parts.scheme]
    line, answer = _Line(), Future[Answer]()

    def ask() -> None:
        try:
            address = _checked_address(name, port, private, shown)
            target = parts._replace(netloc=f"{_literal(address)}:{port}", fragment="").geturl()
            host = _literal(name) if port == _PORTS[parts.scheme] else f"{_literal(name)}:{port}"
            sent = {"Host": host, "User-Agent": "Penstock", "Accept-Encoding": "identity", **(headers or {})}
            request = httpx2.Request(
                method, target, content=body, headers=sent, extensions={"sni_hostname": name, "trace": line.trace}
            )
            answer.set_result(_exchange(request, most_bytes, timeout_s, shown))
        except BaseException as error:  # noqa: BLE001 - raised by `result`, where it is waited for
            answer.set_exception(error)
        finally:
            line.close()

    # In a thread of its own: a name may take long to look up, and a receiver may send a byte now and then for ever
    threading.Thread(target=ask, name="outgoing", daemon=True).start()
    try:
        return answer.result(timeout_s)
    except TimeoutError:
        line.cut()
        raise Unavailable(f"it has not answered within {timeout_s:g} s", where=shown) from None


class _Line:
    """The connection of a call, to be cut from another thread: whatever waits for it then ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore tells of a request's course; all but the connection is passed over."""
        if event == "connection.connect_tcp.complete":
            with self._lock:
                # a copy: TLS takes the socket itself over
                self._socket = info["return_value"].get_extra_info("socket").dup()
                if self._over:
                    self._shut()

    def cut(self) -> None:
        with self._lock:
            self._over = True
            self._shut()

    def close(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is over already
                self._socket.shutdown(socket.SHUT_RDWR)


def _checked_url(url: str, private: bool) -> tuple[SplitResult, str]:
    """The address in its parts, and the host's name in the letters that DNS, TLS and HTTP take."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise BadInput(f"this is no web address: {error}", hint="https://HOST/PATH") from None
    shown = f"{parts.scheme}://{parts.hostname or ''}"  # no more of it: the path or query may hold a secret
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.password:
        raise BadInput("this is no web address that can be called", where=shown, hint="https://HOST/PATH")
    if parts.scheme != "https" and not private:
        raise BadInput("only https is called", where=shown, hint="alerts quote what people wrote: use https://")
    try:
        name = httpx2.URL(scheme=parts.scheme, host=parts.hostname).raw_host.decode("ascii")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise BadInput(f"this is no host's name: {error}", where=shown) from None
    return parts, name


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _exchange(request: httpx2.Request, most_bytes: int, timeout_s: float, shown: str) -> Answer:
    try:
        with httpx2.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client:
            request.extensions["timeout"] = client.timeout.as_dict()
            answer = client.send(request, stream=True)
            try:
                content = _read(answer, most_bytes, shown)
            finally:
                answer.close()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Unavailable(f"no answer: {error or type(error).__name__}", where=shown) from None
    status = answer.status_code
    if 300 <= status < 400 and status != 304:
        raise Unavailable(
            f"it answers {status} and points elsewhere", where=shown, hint="redirects are not followed: use its address"
        )
    return Answer(status, {name.lower(): value for name, value in answer.headers.items()}, content)


def _checked_address(host: str, port: int, private: bool, shown: str) -> str:
    """An address of the host. All of them must be public: a name with one private address is refused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable("the host's name is not known", where=shown) from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for address in addresses:
        if not private and not is_public(address):
            raise BadInput(
                f"the host has the address {address}, which is not public",
                where=shown,
                hint="inside your own network set allow_private_webhooks = true in the product's options",
            )
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, whatever form it takes."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if any(ip in network for network in _NEVER_PUBLIC):
            return False
        if ip in _NAT64:  # the last four bytes are an IPv4 address
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


def _read(answer: httpx2.Response, most_bytes: int, shown: str) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable("it answers packed although asked not to", where=shown)  # a small answer could unpack to much
    content = b""
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise Unavailable(f"it answers more than {most_bytes:,} bytes", where=shown)
    return content
