"""Loads models by the digest of their artifact; a backbone is loaded once and shared by all that stand on it."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakValueDictionary

from penstock import installed
from penstock.core.errors import Broken
from penstock.models.artifact import read_artifact
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model, Parts
from penstock.storage.blobs import BlobStore


class Loader:
    """Loads from one blob store. threads: of one run of a backbone. May be called from many threads."""

    def __init__(self, blobs: BlobStore, threads: int = 1) -> None:
        self._blobs = blobs
        self._threads = threads
        self._lock = threading.Lock()
        self._backbones: WeakValueDictionary[str, Any] = WeakValueDictionary()  # freed with their last model

    def load(self, artifact_digest: str) -> Model:
        """The model of that artifact, every hash checked, its backbone's too. Raises NotFound, Broken."""
        artifact = read_artifact(self._blobs, artifact_digest)
        where = f"artifact {artifact_digest[:12]}…"
        opener = installed.kinds().get(artifact.kind)
        if opener is None:
            raise Broken(f"no model of kind {artifact.kind!r} is known", where=where, hint="update penstock")
        backbone = None if artifact.backbone is None else self.any_backbone(artifact.backbone)
        return opener(
            Parts(artifact.labels, artifact.settings, artifact.read, where, backbone, artifact.path, self.load)
        )

    def read(self, digest: str) -> bytes:
        """The bytes of a blob, its hash checked. Raises NotFound, Broken."""
        return self._blobs.get(digest)

    def backbone(self, digest: str) -> Backbone:
        """The text backbone of that artifact, loaded at its first use. Raises Broken when it is of another kind."""
        found = self.any_backbone(digest)
        if not isinstance(found, Backbone):
            raise Broken("the backbone does not read text", where=f"artifact {digest[:12]}…")
        return found

    def any_backbone(self, digest: str) -> Any:
        """The backbone of that artifact, whatever it reads, loaded at its first use."""
        with self._lock:
            found = self._backbones.get(digest)
            if found is None:
                kind = read_artifact(self._blobs, digest).kind
                if kind not in installed.backbones():
                    raise Broken(f"no backbone of kind {kind!r} is known", where=f"artifact {digest[:12]}…")
                found = installed.backbones()[kind](self._blobs, digest, self._threads)
                self._backbones[digest] = found
            return found
