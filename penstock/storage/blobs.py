"""Content-addressed files: datasets, artifacts, reports. A blob's name is the sha256 of its bytes."""

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

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobStore:
    """Blobs under one local folder, written whole or not at all. behind: where what is not here is read."""

    folder: Path
    behind: BlobStore | None = None

    @property
    def state(self) -> Path:
        """The folder of the workspace's state (.penstock), which the kept blobs lie in."""
        return self.folder.parent if self.behind is None else self.behind.state

    def put(self, content: bytes) -> str:
        """Keep `content`; answer its sha256. Putting the same bytes again changes nothing."""
        digest = sha256_of(content)
        target = self._path(digest)
        if not target.exists():
            private_folder(target.parent)
            write_whole(target, content)
        for folder in (target.parent, self.folder):  # either may be new, made by another process that has not synced it
            sync_folder(folder)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes named `digest`, verified. Raises NotFound, or Broken when the file was altered."""
        content = self.path(digest).read_bytes()
        if sha256_of(content) != digest:
            raise Broken("the stored file does not match its hash", where=str(self._path(digest)), hint=_REPAIR)
        return content

    def path(self, digest: str) -> Path:
        """Where the blob lies, for readers that need a file. The content is not verified: see `verified_path`."""
        target = self._path(digest)
        if not target.is_file() and self.behind is not None:
            return self.behind.path(digest)
        if not target.is_file():
            raise NotFound(f"no blob {digest[:12]}… in the blob store", where=str(self.folder), hint=_REPAIR)
        return target

    def verified_path(self, digest: str) -> Path:
        """Like `path`, after checking the file's hash."""
        target = self.path(digest)
        if sha256_of_file(target) != digest:
            raise Broken("the stored file does not match its hash", where=str(target), hint=_REPAIR)
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
        yield BlobStore(folder, behind=blobs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_REPAIR = "restore the blobs folder from a backup, or train the product again"
