"""Exported backbones beside the user's other caches, so that a new workspace does not export the same model again.

An entry holds an artifact's manifest and files, each checked by its hash when it is read; one that does not fit is
removed. All may be deleted at any time. PENSTOCK_CACHE names another folder than the system's ($XDG_CACHE_HOME,
~/.cache).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import NotFound
from penstock.core.hashing import sha256_of
from penstock.models.artifact import as_file, read_artifact
from penstock.storage.blobs import BlobStore

MOST_BYTES = 4_000_000_000
_MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """Where this user's caches lie."""
    if named := os.environ.get("PENSTOCK_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def restore(blobs: BlobStore, key: str) -> str | None:
    """Put the cached artifact of `key` into the blobs; its digest, or None where there is none that is whole."""
    entry = _entry(key)
    try:
        manifest = (entry / _MANIFEST).read_bytes()
        digest = entry.joinpath("digest").read_text(encoding="ascii")
        files = json.loads(manifest)["files"]
        contents = {name: (entry / file).read_bytes() for name, file in files.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        _remove(entry)
        return None
    if sha256_of(manifest) != digest or any(sha256_of(contents[name]) != file for name, file in files.items()):
        _remove(entry)
        return None
    for name, content in contents.items():
        blobs.put(content, as_file=as_file(name))
    blobs.put(manifest)
    with suppress(OSError):
        os.utime(entry)  # the longest unused go first
    return digest


def keep(blobs: BlobStore, key: str, digest: str) -> None:
    """Copy an artifact into the cache under `key`. Where that fails (no space, a read-only home) there is none.

    Written beside its place and renamed: of two processes that export at once, one entry stays, whole.
    """
    entry = _entry(key)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".part-"))
    except OSError:
        return
    try:
        for file in read_artifact(blobs, digest).files.values():
            (part / file).write_bytes(blobs.get(file))
        (part / _MANIFEST).write_bytes(blobs.get(digest))
        (part / "digest").write_text(digest, encoding="ascii")
        part.rename(entry)
    except (OSError, NotFound):
        _remove(part)
    _bound(entry.parent)


def _entry(key: str) -> Path:
    return cache_folder() / "exports" / key


def _bound(folder: Path) -> None:
    """Without the longest unused entries where all together are too large."""
    with suppress(OSError):
        newest = sorted((one for one in folder.iterdir() if one.is_dir()), key=lambda one: -one.stat().st_mtime)
        size = 0
        for entry in newest:
            size += sum(file.stat().st_size for file in entry.iterdir())
            if size > MOST_BYTES and not entry.name.startswith(".part-"):
                _remove(entry)


def _remove(entry: Path) -> None:
    shutil.rmtree(entry, ignore_errors=True)
