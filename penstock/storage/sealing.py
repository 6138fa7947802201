"""Secrets under a passphrase: scrypt makes the key (RFC 7914), AES-256-GCM seals (NIST SP 800-38D). Knows no files."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping

from penstock.core.errors import BadInput

SHORTEST_PASSPHRASE = 12
_COST = 2**15  # 32 MB and about 0.1 s a try
_PURPOSE = b"penstock backup secrets 1"


def seal(secrets: Mapping[str, bytes], passphrase: str) -> bytes:
    """The secrets by name, readable only with the passphrase. Raises BadInput for a short one."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BadInput(f"the passphrase has {len(passphrase)} characters, at least {SHORTEST_PASSPHRASE} are needed")
    salt, nonce = os.urandom(16), os.urandom(12)
    plain = json.dumps({name: _text(content) for name, content in sorted(secrets.items())}).encode()
    sealed = AESGCM(_key(passphrase, salt, _COST)).encrypt(nonce, plain, _PURPOSE)
    envelope = {"kdf": "scrypt", "n": _COST, "r": 8, "p": 1, "cipher": "AES-256-GCM"}
    return json.dumps({**envelope, "salt": _text(salt), "nonce": _text(nonce), "sealed": _text(sealed)}).encode()


def unseal(envelope: bytes, passphrase: str) -> dict[str, bytes]:
    """What was sealed. Raises BadInput when the passphrase is another one, or the envelope was altered."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        read = json.loads(envelope)
        key = _key(passphrase, _bytes(read["salt"]), min(int(read["n"]), 2**20))
        plain = AESGCM(key).decrypt(_bytes(read["nonce"]), _bytes(read["sealed"]), _PURPOSE)
    except (InvalidTag, KeyError, ValueError):
        raise BadInput(
            "the secrets cannot be opened: this is another passphrase, or they were altered",
            hint="use the passphrase that the backup was made with",
        ) from None
    return {name: _bytes(text) for name, text in json.loads(plain).items()}


def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase.encode())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
