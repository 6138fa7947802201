"""One file of many parts with a manifest of their sums: written whole or not at all, and unpacked only if every sum
holds. It is a ZIP that any tool can list. Knows no database and no workspace."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from penstock.core.errors import BadInput, Broken, Conflict, NotFound
from penstock.core.hashing import sha256_of
from penstock.core.private import sync_folder
from penstock.storage.drafts import draft_of

FORMAT = 1
MANIFEST = "manifest.json"
_BLOCK = 1 << 20
_SYNC_EVERY = 4 << 20
_PAUSE_S = 0.002  # after each block: the disk, and whoever is read from, are others' first
_OTHER = "restore another backup; keep this one to look into"
_NAME = re.compile(r"[^/\\\x00]+(/[^/\\\x00]+)*")


@dataclass
class Archive:
    """An archive being written. facts: what its manifest says beside its parts; to be set before it is finished."""

    stream: zipfile.ZipFile
    file: IO[bytes]
    facts: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    _written: int = 0

    def add(self, name: str, content: IO[bytes], *, pack: bool = False) -> str:
        """Add a part; answers its sha256. pack: compress it, quickly."""
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o600 << 16
        info.compress_type = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
        digest, size = hashlib.sha256(), 0
        with self.stream.open(info, "w", force_zip64=True) as part:
            while block := content.read(_BLOCK):
                digest.update(block)
                size += len(block)
                part.write(block)
                self._written += len(block)
                if self._written > _SYNC_EVERY:  # bit by bit: all at the end would hold up everybody's commits
                    os.fdatasync(self.file.fileno())
                    self._written = 0
                time.sleep(_PAUSE_S)
        self.parts.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})
        return digest.hexdigest()


@contextmanager
def written(target: Path, register: Path | None = None) -> Iterator[Archive]:
    """The archive `target`, there only once the block has ended well and the disk has it; readable by its owner only.

    register: see drafts. Raises Conflict when there is such a file already.
    """
    if target.exists():
        raise Conflict("there is a file of this name already", where=str(target), hint="choose another name")
    if not target.parent.is_dir():
        raise NotFound("the folder does not exist", where=str(target.parent), hint="make it first")
    with draft_of(target, register=register) as draft:
        with draft.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", compresslevel=1) as packed:
                archive = Archive(packed, stream)
                yield archive
                text = json.dumps({"format": FORMAT, **archive.facts, "parts": archive.parts}, indent=1, sort_keys=True)
                packed.writestr(MANIFEST, text)
                packed.comment = sha256_of(text.encode()).encode()  # the sums have a sum
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
        sync_folder(target.parent)


def read_manifest(file: Path) -> dict[str, Any]:
    """What the archive says of itself, its own sum checked.

    Raises NotFound, BadInput for what is no such archive or of a newer format, Broken for a damaged one.
    """
    with _opened(file) as packed:
        return _manifest(packed, file)


def unpack(file: Path, target: Path) -> dict[str, Any]:
    """Write every part below the empty folder `target` and check its sum; returns the manifest.

    Raises Broken at the first part that is not as it was written. What was unpacked until then is the caller's to
    remove.
    """
    with _opened(file) as packed:
        manifest = _manifest(packed, file)
        named = [part["name"] for part in manifest["parts"]]
        if sorted([*named, MANIFEST]) != sorted(packed.namelist()):
            raise Broken("the backup does not hold the parts that its manifest names", where=str(file))
        for part in manifest["parts"]:
            _unpack_one(packed, part, target, file)
    return manifest


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that becomes `target` once the block has ended well; on any error nothing of it stays.

    Raises Conflict when `target` is there and not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict("the folder is not empty", where=str(target), hint="choose a new one")
    target.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(target, folder=True) as draft:
        yield draft
        for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            sync_folder(folder)
        draft.replace(target)
        sync_folder(target.parent)


def _unpack_one(packed: zipfile.ZipFile, part: Mapping[str, Any], target: Path, file: Path) -> None:
    name = part["name"]
    if not _NAME.fullmatch(name) or any(step in (".", "..") for step in name.split("/")):
        raise Broken(f"the backup names a part {name!r}, which is no place inside a folder", where=str(file))
    place = target / name
    for above in reversed(place.relative_to(target).parents):  # mkdir's own parents get no mode
        (target / above).mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as written, packed.open(name) as content:
        while block := content.read(_BLOCK):
            digest.update(block)
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    if digest.hexdigest() != part["sha256"]:
        raise Broken(f"{name} is not as it was written", where=str(file), hint=_OTHER)


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    if not file.is_file():
        raise NotFound("there is no such file", where=str(file))
    try:
        with zipfile.ZipFile(file) as packed:
            yield packed
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last: flags ask for a password
        raise Broken(f"the backup is damaged: {error}", where=str(file), hint=_OTHER) from None


def _manifest(packed: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    try:
        text = packed.read(MANIFEST)
    except KeyError:
        raise BadInput("this is not a backup of Penstock", where=str(file)) from None
    if sha256_of(text).encode() != packed.comment:
        raise Broken("the backup's manifest is not as it was written", where=str(file), hint=_OTHER)
    manifest: dict[str, Any] = json.loads(text)
    if manifest["format"] > FORMAT:
        raise BadInput("the backup was made by a newer Penstock", where=str(file), hint="install the newer one")
    return manifest
