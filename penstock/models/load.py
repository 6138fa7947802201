"""Loads models by the digest of their artifact; a backbone is loaded once and shared by all that stand on it."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from penstock.core.errors import Broken
from penstock.models import frozen_linear, ngram_linear
from penstock.models.artifact import read_artifact
from penstock.models.backbone import Backbone, load_backbone
from penstock.models.protocol import Model
from penstock.storage.blobs import BlobStore


class Loader:
    """Loads from one blob store. threads: of one run of a backbone. May be called from many threads."""

    def __init__(self, blobs: BlobStore, threads: int = 1) -> None:
        self._blobs = blobs
        self._threads = threads
        self._lock = threading.Lock()
        self._backbones: WeakValueDictionary[str, Backbone] = WeakValueDictionary()  # freed with their last model

    def load(self, artifact_digest: str) -> Model:
        """The model of that artifact, every hash checked, its backbone's too. Raises NotFound, Broken."""
        artifact = read_artifact(self._blobs, artifact_digest)
        where = f"artifact {artifact_digest[:12]}…"
        if artifact.kind == ngram_linear.KIND:
            return ngram_linear.from_files(artifact.labels, artifact.settings, artifact.read, where)
        if artifact.kind == frozen_linear.KIND and artifact.backbone is not None:
            backbone = self.backbone(artifact.backbone)
            return frozen_linear.from_files(artifact.labels, artifact.settings, artifact.read, backbone, where)
        raise Broken(f"no model of kind {artifact.kind!r} is known", where=where, hint="update penstock")

    def backbone(self, digest: str) -> Backbone:
        """The backbone of that artifact, loaded at its first use."""
        with self._lock:
            found = self._backbones.get(digest)
            if found is None:
                found = load_backbone(self._blobs, digest, self._threads)
                self._backbones[digest] = found
            return found
