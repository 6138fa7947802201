"""What every rung takes and gives: a request, and a trained model with all that its artifact will hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.datasets.rows import Split
from penstock.models.artifact import save_artifact
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache


@dataclass(frozen=True)
class TrainRequest:
    """Train on these rows. backbone: for the rungs that need one. cache: of its vectors, None to go without."""

    train: Split
    backbone: Backbone | None = None
    seed: int = 0
    cache: EmbeddingCache | None = None
    progress: Progress = no_progress


@dataclass(frozen=True)
class Trained:
    """A model in memory, and what `save` keeps of it. seconds: wall time. notes: how it was chosen, for people."""

    model: Model
    files: Mapping[str, bytes]
    settings: Mapping[str, Any]
    seconds: float
    backbone: str | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Rung:
    """A recipe by its registered name."""

    name: str
    needs_backbone: bool
    train: Callable[[TrainRequest], Trained]


def save(trained: Trained, blobs: BlobStore) -> str:
    """Keep a trained model; answer the digest of its artifact."""
    return save_artifact(
        blobs,
        kind=trained.model.kind,
        labels=trained.model.labels,
        files=trained.files,
        settings=trained.settings,
        backbone=trained.backbone,
    )
