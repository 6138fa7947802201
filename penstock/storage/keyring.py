"""The keys that what customers send is sealed with: a file of their own, apart from the database. AES-256-GCM (NIST SP
800-38D), a random nonce each time. Knows no tables."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.core.hashing import sha256_of
from penstock.core.private import private_folder
from penstock.core.whole import write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ID_CHARS = 12
PREFIX = b"sealed:1:"
HEAD_BYTES = len(PREFIX) + ID_CHARS + 1  # what a sealed value begins with: "sealed:1:" and its key's id and ":"
_FORMAT = 1
_NONCE = 12
_GUIDE = "docs/how-to/seal-data.md"


class Keyring:
    """Keys by id, oldest first, read from `file` when one is asked for that is not known yet. None: kept in memory
    only, for a store that ends with its process. Threads may share it."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._keys: dict[str, bytes] = {}
        self._ciphers: dict[str, AESGCM] = {}
        self._read_at: tuple[int, ...] | None = None

    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, oldest first. Raises Unavailable when the file cannot be used."""
        self._refresh()
        return tuple(self._keys)

    def newest(self) -> str:
        """The id of the key for new blobs; the first is made where there is none."""
        found = self.ids()
        return found[-1] if found else self.add()

    def has(self, id: str) -> bool:
        return id in self._keys or id in self.ids()

    def add(self) -> str:
        """Make a key; answers its id once the disk has it. Raises BadInput where the file cannot be written."""
        secret = os.urandom(32)
        with self._changing() as keys:
            keys[_id_of(secret)] = secret
        return _id_of(secret)

    def remove(self, id: str) -> None:
        """Forget a key for ever: whatever it still seals cannot be read any more."""
        with self._changing() as keys:
            keys.pop(id, None)
        self._ciphers.pop(id, None)

    def seal(self, id: str, plain: bytes, about: bytes) -> bytes:
        """`plain` under that key, readable only with the same `about`."""
        nonce = os.urandom(_NONCE)
        return PREFIX + id.encode() + b":" + nonce + self._cipher(id).encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes, where: str) -> bytes:
        """What was sealed. Raises Unavailable without its key, Broken when it was altered or lies elsewhere."""
        from cryptography.exceptions import InvalidTag

        body = memoryview(sealed)[HEAD_BYTES:]
        try:
            return self._cipher(key_of(sealed) or "").decrypt(body[:_NONCE], body[_NONCE:], about)
        except (InvalidTag, ValueError):
            raise Broken(
                "a sealed value was altered, or put where it does not belong", where=where, hint="restore a backup"
            ) from None

    def missing(self, id: str) -> Unavailable:
        """What is said where a key is needed that is not there."""
        have = ", ".join(self._keys) or "none"
        told = f"the keyring lacks key {id}; it has {have}"
        if self.file is not None and not self.file.exists():
            told = f"the keyring is not there, and key {id} is needed to read what is kept of customers"
        hint = (
            "put the file back (each backup with secrets holds it), or say where it is: [storage] keyring, or "
            f"PENSTOCK_KEYRING. If it is lost for good: {_GUIDE}"
        )
        return Unavailable(told, where=str(self.file), hint=hint)

    def _cipher(self, id: str) -> AESGCM:
        found = self._ciphers.get(id)
        if found is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            if not self.has(id):
                raise self.missing(id)
            found = self._ciphers[id] = AESGCM(self._keys[id])
        return found

    def _refresh(self) -> None:
        if self.file is None:
            return
        try:
            stat = self.file.stat()
        except FileNotFoundError:  # what is known stays known: a gateway goes on without the file until it ends
            return
        except OSError as error:
            raise Unavailable(f"the keyring cannot be read: {error.strerror}", where=str(self.file)) from None
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen != self._read_at:
            self._keys, self._read_at = _read(self.file), seen

    @contextmanager
    def _changing(self) -> Iterator[dict[str, bytes]]:
        """The keys, to be changed in the block; one process at a time, and the disk has them afterwards."""
        if self.file is None:
            yield self._keys
            return
        try:
            private_folder(self.file.parent)
            folder = os.open(self.file.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                keys = _read(self.file) if self.file.exists() else {}
                yield keys
                write_whole(self.file, _content(keys))  # 0600 from its first byte
            finally:
                os.close(folder)
        except OSError as error:
            raise BadInput(
                f"the keyring cannot be written: {error.strerror}",
                where=str(self.file),
                hint="run this as the user, and on the machine, that may write it",
            ) from None
        self._refresh()


def key_of(sealed: bytes) -> str | None:
    """The id of the key that sealed it; None of what is not sealed. Its first HEAD_BYTES are enough."""
    if not sealed.startswith(PREFIX):
        return None
    return bytes(sealed[len(PREFIX) : len(PREFIX) + ID_CHARS]).decode("ascii", "replace")


def about(*parts: str) -> bytes:
    """The parts as bytes that no other parts make."""
    return "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")


def merged(older: bytes, newer: bytes) -> bytes:
    """The content of a keyring with the keys of two: of a backup that a rotation went through."""
    return _content({**_parsed(older, "keyring"), **_parsed(newer, "keyring")})


def _id_of(secret: bytes) -> str:
    return sha256_of(b"penstock key id 1" + secret)[:ID_CHARS]  # a damaged key is told from its id


def _read(file: Path) -> dict[str, bytes]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Unavailable(f"the keyring cannot be read: {error.strerror}", where=str(file)) from None
    return _parsed(content, str(file))


def _parsed(content: bytes, where: str) -> dict[str, bytes]:
    try:
        told: Mapping[str, Any] = json.loads(content)
        if told["format"] != _FORMAT:
            raise ValueError
        keys = {one["id"]: base64.b64decode(one["key"], validate=True) for one in told["keys"]}
    except (ValueError, KeyError, TypeError):
        keys = {"": b""}
    if any(_id_of(secret) != id or len(secret) != 32 for id, secret in keys.items()):
        raise Unavailable("this is no keyring, or it was damaged", where=where, hint="put back a copy of it: " + _GUIDE)
    return keys


def _content(keys: Mapping[str, bytes]) -> bytes:
    told = [{"id": id, "key": base64.b64encode(secret).decode()} for id, secret in keys.items()]
    return json.dumps({"format": _FORMAT, "keys": told}, indent=1).encode() + b"\n"
