"""A pretrained model is exported once: found, its hash checked before anything reads it, its artifact remembered beside
the blobs and kept in the user's cache for other workspaces. What an export is, the kinds of backbone know."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from penstock.core.errors import BadInput, NotFound
from penstock.core.hashing import digest_of, sha256_of_file
from penstock.models.artifact import read_artifact
from penstock.storage.blobs import BlobStore
from penstock.training import export_cache
from penstock.training.sources import WEIGHTS, locate
from penstock.workspace.records import Backbone as Source


def export_once(
    source: Source,
    where: str,
    blobs: BlobStore,
    folder: Path,
    *,
    reads: Sequence[str],
    needed: Sequence[str],
    mark: Sequence[Any],
    export: Callable[[Path, str], str],
) -> str:
    """The digest of the artifact that `export(place, sha256 of the weights)` makes, or once made, of this source.

    where: the backbone's place in the workspace. folder: where relative `path:` sources begin. reads: the files that
    the export depends on; needed: those that must be there. mark: what names the export's kind and version. Raises
    BadInput for a source that is not there or has another hash, Unavailable when a `hub:` model cannot be fetched.
    """
    place = locate(source, where, folder, needed)
    hashes = {file: sha256_of_file(place / file) for file in reads if (place / file).is_file()}
    if source.sha256 is not None and hashes[WEIGHTS] != source.sha256:
        raise BadInput(
            f"{WEIGHTS} has sha256 {hashes[WEIGHTS]}, expected {source.sha256}",
            where=f"{where}.sha256",
            hint="do not use these weights unless you know why they changed; if you do, write their sha256 there",
        )
    key = digest_of([*mark, hashes])
    memory = _memories(blobs) / f"{key}.json"
    known = _remembered(memory, blobs)
    if known is not None:
        return known
    digest = export_cache.restore(blobs, key)
    if digest is None:
        digest = export(place, hashes[WEIGHTS])
        export_cache.keep(blobs, key, digest)
    memory.parent.mkdir(parents=True, exist_ok=True)
    part = memory.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps({"source": source.source, "artifact": digest}))
    part.replace(memory)
    return digest


def source_of(blobs: BlobStore, digest: str) -> str | None:
    """What the backbone of that artifact was exported from, e.g. "package:NAME"; None when nobody here knows."""
    for memory in sorted(_memories(blobs).glob("*.json")):
        try:
            kept = json.loads(memory.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if kept.get("artifact") == digest:
            return str(kept["source"])
    return None


def _memories(blobs: BlobStore) -> Path:
    return blobs.state / "backbones"


def _remembered(memory: Path, blobs: BlobStore) -> str | None:
    """The artifact that an earlier export left, if its blobs are all there and whole."""
    try:
        digest = str(json.loads(memory.read_text())["artifact"])
        read_artifact(blobs, digest)
    except (FileNotFoundError, ValueError, KeyError, NotFound):
        return None
    return digest
