"""Artifacts: a manifest blob that names, by sha256, every file a model is made of. Reading one checks every hash.

Files are safetensors, ONNX and JSON only: nothing that can run code when it is read. It knows no kind of model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import Broken, Unavailable
from penstock.core.hashing import canonical_json
from penstock.models.protocol import Floats
from penstock.storage.blobs import BlobStore

FORMAT = "penstock.artifact.v1"
_SAFE = (".safetensors", ".onnx", ".json")


@dataclass(frozen=True)
class Artifact:
    """A verified artifact. files: name -> sha256. backbone: the digest of another artifact, or None."""

    digest: str
    kind: str
    labels: tuple[str, ...]
    settings: Mapping[str, Any]
    backbone: str | None
    files: Mapping[str, str]
    blobs: BlobStore

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return self.blobs.get(self._digest(name))

    def path(self, name: str) -> Path:
        """Where a file lies that is kept `as_file`; its hash was checked when the artifact was read."""
        return self.blobs.path(self._digest(name))

    def _digest(self, name: str) -> str:
        if name not in self.files:
            raise Broken(f"the artifact has no file {name!r}", where=f"artifact {self.digest[:12]}…")
        return self.files[name]


def save_artifact(
    blobs: BlobStore,
    *,
    kind: str,
    labels: tuple[str, ...],
    files: Mapping[str, bytes],
    settings: Mapping[str, Any],
    backbone: str | None,
) -> str:
    """Keep the files and their manifest; answer the manifest's digest. Raises Broken for a kind of file not allowed."""
    for name in files:
        if not name.endswith(_SAFE):
            raise Broken(f"an artifact may not hold {name!r}", hint=f"only {', '.join(_SAFE)} files are safe to read")
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "labels": list(labels),
        "settings": dict(settings),
        "backbone": backbone,
        "files": {name: blobs.put(content, as_file=as_file(name)) for name, content in files.items()},
    }
    return blobs.put(canonical_json(manifest))


def read_artifact(blobs: BlobStore, digest: str) -> Artifact:
    """The artifact of that digest, its own files all checked (a backbone's are checked where it is loaded).

    Raises NotFound when a file is missing, Broken when one was altered or the manifest is not one.
    """
    place = f"artifact {digest[:12]}…"
    try:
        manifest = json.loads(blobs.get(digest))
        found = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise Broken("this is not an artifact's manifest", where=place) from None
    if found != FORMAT:
        raise Broken(f"the artifact has format {found!r}; this version reads {FORMAT!r}", where=place)
    for name, file in manifest["files"].items():
        if not name.endswith(_SAFE):
            raise Broken(f"the artifact names a file that may not be read: {name!r}", where=place)
        blobs.verify(file)
    return Artifact(
        digest=digest,
        kind=manifest["kind"],
        labels=tuple(manifest["labels"]),
        settings=manifest["settings"],
        backbone=manifest["backbone"],
        files=manifest["files"],
        blobs=blobs,
    )


def as_file(name: str) -> bool:
    """Whether a file is kept as it is, not sealed: weights, which onnxruntime reads by their path."""
    return name.endswith(".onnx")


def kept_as_files(blobs: BlobStore) -> set[str]:
    """The digests of all such files that the manifests in this store name."""
    found: set[str] = set()
    for digest in blobs.digests():
        if (blobs.folder / digest[:2] / digest).stat().st_size > _LARGEST_MANIFEST:
            continue
        try:
            content = blobs.get(digest)
        except Unavailable:  # its key is lost: it names nothing any more
            continue
        if content.startswith(_FIRST) and FORMAT.encode() in content:
            files = json.loads(content)["files"]
            found |= {file for name, file in files.items() if as_file(name)}
    return found


_FIRST = b'{"backbone":'  # what the canonical JSON of a manifest begins with
_LARGEST_MANIFEST = 1 << 20


def tensors_to_bytes(tensors: Mapping[str, Floats]) -> bytes:
    """Float32 arrays as safetensors."""
    from safetensors.numpy import save

    content: bytes = save(dict(tensors))
    return content


def tensors_from_bytes(content: bytes) -> dict[str, Floats]:
    """The arrays of a safetensors file, by name."""
    from safetensors.numpy import load

    tensors: dict[str, Floats] = load(content)
    return tensors
