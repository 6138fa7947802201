"""What every compression takes: a model there is, perhaps a second one, and the rows that the first was trained on.

It gives what a rung gives, a `Trained`, so that whatever is compressed is saved and judged like whatever is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from penstock.core.errors import BadInput
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache
from penstock.training.records import Trained


@dataclass(frozen=True, eq=False)
class CompressRequest:
    """Make this model cheaper.

    source: the model, loaded, and its artifact's digest. other: the second model, for a compression of two. train: the
    rows of the dataset version that the source was trained on, as the task's `split` made them. options: what the
    caller set (`--set NAME=VALUE`), by name. recipe: hyper-parameters that replace a training compression's own.
    cache, blobs, load, checkpoint, progress: as in a TrainRequest. again(artifact, rows): that model (the source's or
    the other's) trained once more as it was made, on these rows only; for what must be chosen on rows that a model has
    not seen. None: nobody here can.
    """

    source: Model
    source_artifact: str
    train: Any
    blobs: BlobStore
    load: Callable[[str], Model]
    other: Model | None = None
    other_artifact: str | None = None
    seed: int = 0
    cache: EmbeddingCache | None = None
    progress: Progress = no_progress
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    again: Callable[[str, Any], Model] | None = None


@dataclass(frozen=True)
class Compression:
    """A way to make a model cheaper, by its registered name. options: what may be set, and its usual value, whose type
    is the value's type; None: a number, or left to the compression. models: how many it takes. recipe: whether its
    training has a recipe, whose numbers may be set too. minutes: a rough guess of its time for 10,000 short texts on
    two cores."""

    name: str
    compress: Callable[[CompressRequest], Trained]
    options: Mapping[str, Any] = field(default_factory=dict)
    models: Literal[1, 2] = 1
    recipe: bool = False
    minutes: float = 0.5


def backbone_of(request: CompressRequest, name: str) -> Backbone:
    """The text backbone that the source stands on. name: the compression's. Raises BadInput where it has none."""
    found = getattr(request.source, "backbone", None)
    if not isinstance(found, Backbone):
        raise BadInput(
            f"{name} changes the encoder that a model stands on, and a {request.source.kind} model has none",
            where=f"artifact {request.source_artifact[:12]}…",
            hint="name a candidate of a rung with a backbone; see `penstock candidates PRODUCT`",
        )
    return found


def texts_of(request: CompressRequest, name: str) -> tuple[str, ...]:
    """The training texts, each once, in their order. Raises BadInput for rows of another task, or none."""
    texts = dict.fromkeys(getattr(request.train, "inputs", ()))
    if not texts or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{name} is for models that classify texts, and needs texts that they were trained on")
    return tuple(texts)
