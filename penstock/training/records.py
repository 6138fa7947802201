"""What every rung takes and gives: a request, and a trained model with all that its artifact will hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.models.artifact import save_artifact
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache


@dataclass(frozen=True)
class TrainRequest:
    """Train on these rows. train: what the task's `split` made of them. backbone: for the rungs that need one; texts'
    vectors by it are cached in `cache` (None: go without). options: [products.NAME.options], as written. load: another
    artifact's model by its digest, for rungs that build on one. blobs: where a rung that tunes a backbone keeps it."""

    train: Any
    backbone: Any = None
    seed: int = 0
    cache: EmbeddingCache | None = None
    progress: Progress = no_progress
    options: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[str], Model] | None = None
    blobs: BlobStore | None = None


@dataclass(frozen=True)
class Trained:
    """A model in memory, and what `save` keeps of it. seconds: wall time. notes: how it was chosen, for people.

    settings["parity"], where a rung exports a graph of its own: the largest difference of the exported to the trained.
    """

    model: Model
    files: Mapping[str, bytes]
    settings: Mapping[str, Any]
    seconds: float
    backbone: str | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Rung:
    """A recipe by its registered name. backbone: what kind it stands on, "" for none."""

    name: str
    train: Callable[[TrainRequest], Trained]
    backbone: Literal["", "text", "vision"] = ""

    @property
    def needs_backbone(self) -> bool:
        return self.backbone != ""


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
