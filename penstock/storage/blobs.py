"""Content-addressed files: datasets, artifacts, reports. A blob's name is the sha256 of its bytes, before they are
sealed: sealed or not, and under whichever key, it keeps its name."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import Broken, NotFound
from penstock.core.hashing import sha256_of, sha256_of_file
from penstock.core.private import private_folder, sync_folder
from penstock.core.whole import write_whole
from penstock.storage.keyring import HEAD_BYTES, Keyring, about, key_of

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobStore:
    """Blobs under one local folder, written whole or not at all. behind: where what is not here is read. keys: what
    seals them; None for a store that is not a company's."""

    folder: Path
    behind: BlobStore | None = None
    keys: Keyring | None = None

    @property
    def state(self) -> Path:
        """The folder of the workspace's state (.penstock), which the kept blobs lie in."""
        return self.folder.parent if self.behind is None else self.behind.state

    def put(self, content: bytes, *, as_file: bool = False) -> str:
        """Keep `content`, sealed; answer its sha256. Putting the same bytes again changes nothing. as_file: not sealed,
        for what is read by `path`."""
        digest = sha256_of(content)
        target = self._path(digest)
        if not target.exists():
            self.write(digest, content, as_file=as_file)
        for folder in (target.parent, self.folder):  # either may be new, made by another process that has not synced it
            sync_folder(folder)
        return digest

    def write(self, digest: str, content: bytes, *, as_file: bool = False) -> None:
        """Write a blob, also over the one that is there, under the newest key."""
        target = self._path(digest)
        private_folder(target.parent)
        if self.keys is None or as_file:
            write_whole(target, content)
            return
        key = None
        while key != (newest := self.keys.newest()):  # again, if a rotation came between: the older key may go
            key = newest
            write_whole(target, self.keys.seal(key, content, about("blob", digest)))

    def get(self, digest: str) -> bytes:
        """The bytes named `digest`, verified. Raises NotFound, Unavailable without their key, or Broken when the file
        was altered."""
        file = self._found(digest)
        content = file.read_bytes()
        if key_of(content) is not None:
            content = (self.keys or Keyring(None)).open(content, about("blob", digest), str(file))
        if sha256_of(content) != digest:
            raise Broken("the stored file does not match its hash", where=str(file), hint=_REPAIR)
        return content

    def has(self, digest: str) -> bool:
        """Whether the blob is there; it is not verified."""
        return self._path(digest).is_file() or (self.behind is not None and self.behind.has(digest))

    def path(self, digest: str) -> Path:
        """Where a blob lies that was put `as_file`, for readers that need one. It is not verified: see `verify`."""
        file = self._found(digest)
        if self.key(digest) is not None:
            raise Broken("the blob is sealed: it cannot be read as a file", where=str(file), hint=_REPAIR)
        return file

    def verify(self, digest: str) -> None:
        """Raise as `get` does unless the blob is whole."""
        file = self._found(digest)
        if self.key(digest) is not None:
            self.get(digest)
        elif sha256_of_file(file) != digest:
            raise Broken("the stored file does not match its hash", where=str(file), hint=_REPAIR)

    def key(self, digest: str) -> str | None:
        """The id of the key that seals a blob; None where none does."""
        with self._found(digest).open("rb") as stream:
            return key_of(stream.read(HEAD_BYTES))

    def digests(self) -> list[str]:
        """All blobs in this folder."""
        return sorted(file.name for file in self.folder.glob("??/*") if _DIGEST.fullmatch(file.name))

    def remove(self, digest: str) -> None:
        """Take a blob away that nobody can read any more."""
        self._path(digest).unlink(missing_ok=True)

    def _found(self, digest: str) -> Path:
        target = self._path(digest)
        if not target.is_file() and self.behind is not None:
            return self.behind._found(digest)
        if not target.is_file():
            raise NotFound(f"no blob {digest[:12]}… in the blob store", where=str(self.folder), hint=_REPAIR)
        return target

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"{digest!r} is not a blob digest (64 hexadecimal digits)")
        return self.folder / digest[:2] / digest


@contextmanager
def scratch(blobs: BlobStore) -> Iterator[BlobStore]:
    """A store beside `blobs` that reads from it too, and is gone afterwards: for models that are tried and not kept.
    What a killed process left of one is removed by the next."""
    import psutil

    for left in blobs.state.glob("scratch-*"):
        if not psutil.pid_exists(int(left.name.removeprefix("scratch-"))):
            shutil.rmtree(left, ignore_errors=True)
    folder = blobs.state / f"scratch-{os.getpid()}"
    try:
        yield BlobStore(folder, behind=blobs, keys=blobs.keys)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_REPAIR = "restore the blobs folder from a backup, or train the product again"
