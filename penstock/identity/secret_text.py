"""The text of a secret that a program or a person holds: `<prefix><id>_<secret><checksum>`, shown once.

Its id finds the row, whose SHA-256 of the secret proves it. The checksum tells a mistyped one from a wrong one without
asking the database, and lets scanners find leaked ones.
"""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass
from hmac import compare_digest

from penstock.core.hashing import sha256_of

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS = 12  # 60 bits
_SECRET_CHARS = 28  # 166 bits
_CHECKSUM_CHARS = 6  # 62^6 > 2^32
_SHAPE = re.compile(
    rf"(?P<prefix>[a-z]{{2}}_live_)(?P<id>[{_BASE32}]{{{_ID_CHARS}}})_(?P<secret>[0-9A-Za-z]{{{_SECRET_CHARS}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_CHARS}}})"
)
_NOBODY = sha256_of(b"")


@dataclass(frozen=True)
class SecretText:
    """A secret in its parts. sha256: of the secret; what is kept of it."""

    id: str
    sha256: str
    text: str


def new_secret(prefix: str) -> SecretText:
    """A new one. prefix: two letters and "_live_"."""
    id = "".join(secrets.choice(_BASE32) for _ in range(_ID_CHARS))
    secret = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_CHARS))
    body = f"{prefix}{id}_{secret}"
    return SecretText(id, sha256_of(secret.encode()), body + _checksum(body))


def parse_secret(text: str, *prefixes: str) -> SecretText | None:
    """The parts of a complete text that begins as one of the prefixes does; None for any other."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or shape["prefix"] not in prefixes or _checksum(text[:-_CHECKSUM_CHARS]) != shape["checksum"]:
        return None
    return SecretText(shape["id"], sha256_of(shape["secret"].encode()), text)


def proves(given: SecretText, kept_sha256: str | None) -> bool:
    """Whether it is the one that is kept, compared in constant time; None: nothing is."""
    return compare_digest(given.sha256, kept_sha256 or _NOBODY)


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
