"""HTTP to addresses that people typed in: https only, public addresses only, no redirects, bounded size and time.

The host's name is looked up once, every address it has is checked, and the connection goes to a checked address, so
that a name cannot mean one host when checked and another when called.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from penstock.core.errors import BadInput, Unavailable

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64_000
_PORTS = {"https": 443, "http": 80}


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
    """One request. private: private and loopback addresses, and plain http, are allowed.

    Raises BadInput for an address that may not be called, Unavailable when it does not answer in time, redirects, or
    answers more than `most_bytes`.
    """
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError as error:
        raise BadInput(f"this is no web address: {error}", hint="https://HOST/PATH") from None
    shown = f"{parts.scheme}://{parts.hostname or ''}"  # no more of it: the path or query may hold a secret
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.password:
        raise BadInput("this is no web address that can be called", where=shown, hint="https://HOST/PATH")
    if parts.scheme != "https" and not private:
        raise BadInput("only https is called", where=shown, hint="alerts quote what people wrote: use https://")
    port = given or _PORTS[parts.scheme]
    address = _checked_address(parts.hostname, port, private, shown)
    host = parts.hostname if port == _PORTS[parts.scheme] else f"{parts.hostname}:{port}"
    literal = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{literal}:{port}", fragment="").geturl()
    sent = {"Host": host, "User-Agent": "Penstock", "Accept-Encoding": "identity", **(headers or {})}
    deadline = time.monotonic() + timeout_s
    try:
        with (
            httpx2.Client(timeout=timeout_s, trust_env=False, follow_redirects=False) as client,
            client.stream(
                method, target, content=body, headers=sent, extensions={"sni_hostname": parts.hostname}
            ) as answer,
        ):
            content = _read(answer, most_bytes, deadline, shown)
            found = {name.lower(): value for name, value in answer.headers.items()}
            status = answer.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Unavailable(f"no answer: {error or type(error).__name__}", where=shown) from None
    if 300 <= status < 400 and status != 304:
        raise Unavailable(
            f"it answers {status} and points elsewhere", where=shown, hint="redirects are not followed: use its address"
        )
    return Answer(status, found, content)


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
            return inner.is_global and not inner.is_multicast
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64: the last four bytes are an IPv4 address
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF).is_global
    return ip.is_global and not ip.is_multicast


def _read(answer: httpx2.Response, most_bytes: int, deadline: float, shown: str) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable("it answers packed although asked not to", where=shown)  # a small answer could unpack to much
    content = b""
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise Unavailable(f"it answers more than {most_bytes:,} bytes", where=shown)
        if time.monotonic() > deadline:
            raise Unavailable("it answers too slowly", where=shown)
    return content
