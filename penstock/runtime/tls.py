"""TLS of our own: the certificate and key that penstock.toml names, for our servers and for our own calls to them.

It knows files and what is in them; handshakes.py knows connections.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from penstock.core.errors import BadInput
from penstock.workspace.loader import where
from penstock.workspace.records import Tls, Workspace

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Part = Literal["gateway", "office"]
PARTS: tuple[Part, ...] = ("gateway", "office")
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name

_log = logging.getLogger(__name__)


def served_tls(workspace: Workspace, part: Part) -> Callable[[], ssl.SSLContext] | None:
    """What that part serves https by, for each connection anew: a certificate that was renewed is taken up, and the one
    before it goes on while new files do not fit. None where the file gives it no certificate.

    Raises BadInput as `server_context` does.
    """
    return None if _settings(workspace, part) is None else _Served(workspace, part)


def server_context(workspace: Workspace, part: Part) -> ssl.SSLContext | None:
    """The context that serves https: TLS 1.2 or newer. None where the file gives it no certificate.

    Raises BadInput, with file and line, for a certificate or key that is missing, unreadable, or of another.
    """
    settings = _settings(workspace, part)
    if settings is None:
        return None
    _check_pair(workspace, part)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(workspace.folder / settings.certificate, workspace.folder / settings.key)
    except (ssl.SSLError, OSError) as error:
        raise _wrong(workspace, part, "certificate", f"cannot be used: {error}") from None
    return context


def own_context(workspace: Workspace, part: Part) -> ssl.SSLContext | None:
    """For our own calls to that part: it must have the workspace's certificate, whatever name that is made out to and
    though it has ended. None where it speaks http."""
    if _settings(workspace, part) is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME  # this one certificate is all we trust
    context.load_verify_locations(cadata=_pem(_certificate(workspace, part)))
    return context


def certificate_ends(workspace: Workspace, part: Part) -> datetime:
    """When the certificate of that part ends to hold. Raises BadInput as above, also where it has none."""
    return _certificate(workspace, part).not_valid_after_utc


def address_of(workspace: Workspace, part: Part) -> str:
    """Where the file says that part listens, e.g. "https://127.0.0.1:8081"."""
    settings = workspace.gateway if part == "gateway" else workspace.office
    return address(settings.host, settings.port, tls=settings.tls is not None)


def address(host: str, port: int, *, tls: bool) -> str:
    """The base address of a server as its own machine reaches it: what listens everywhere is called by its loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def key_file(workspace: Workspace, part: Part) -> Path:
    """Where the key of that part lies. Raises BadInput where it has none."""
    return workspace.folder / _named(workspace, part).key


class _Served:
    def __init__(self, workspace: Workspace, part: Part) -> None:
        self._workspace, self._part = workspace, part
        self._marks = self._look()
        self._context = server_context(workspace, part)

    def __call__(self) -> ssl.SSLContext:
        marks = self._look()
        if marks != self._marks:
            self._marks = marks
            try:
                self._context = server_context(self._workspace, self._part)
                _log.info("the %s's certificate is a new one, until %s", self._part, self._ends())
            except BadInput as error:
                _log.warning("the %s goes on with the certificate it had: %s", self._part, error)
        assert self._context is not None
        return self._context

    def _ends(self) -> str:
        return f"{certificate_ends(self._workspace, self._part):%Y-%m-%d}"

    def _look(self) -> list[tuple[int, int, int] | None]:
        named = _named(self._workspace, self._part)
        return [_mark(self._workspace.folder / file) for file in (named.certificate, named.key)]


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_pair(workspace: Workspace, part: Part) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate = _certificate(workspace, part)
    try:
        key = load_pem_private_key(_read(workspace, part, "key"), password=None)
    except TypeError:
        hint = "nobody is there to type it when Penstock starts: store the key without one, readable by you only"
        raise _wrong(workspace, part, "key", "is locked with a passphrase", hint) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong(workspace, part, "key", "holds no private key in PEM", _PEM) from None
    if key.public_key() != certificate.public_key():
        hint = "the file begins with the server's own certificate; those of its issuers follow"
        raise _wrong(workspace, part, "key", "does not belong to the certificate", hint)


_PEM = "a text file with -----BEGIN ... in it is wanted"


def _certificate(workspace: Workspace, part: Part) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(_read(workspace, part, "certificate"))
    except ValueError:
        raise _wrong(workspace, part, "certificate", "holds no certificate in PEM", _PEM) from None


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _read(workspace: Workspace, part: Part, field: Literal["certificate", "key"]) -> bytes:
    try:
        return workspace.folder.joinpath(getattr(_named(workspace, part), field)).read_bytes()
    except OSError as error:
        hint = "the path is relative to the workspace's folder"
        raise _wrong(workspace, part, field, f"cannot be read: {error.strerror}", hint) from None


def _named(workspace: Workspace, part: Part) -> Tls:
    found = _settings(workspace, part)
    if found is None:
        raise BadInput("there is no certificate", where=where(workspace.folder, part, "tls"))
    return found


def _settings(workspace: Workspace, part: Part) -> Tls | None:
    return workspace.gateway.tls if part == "gateway" else workspace.office.tls


def _wrong(
    workspace: Workspace, part: Part, field: Literal["certificate", "key"], what: str, hint: str = ""
) -> BadInput:
    file = getattr(_named(workspace, part), field)
    return BadInput(f"{file} {what}", where=where(workspace.folder, part, "tls", field), hint=hint or None)
