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
    """What a compression is asked: make this model cheaper."""

    # the model, loaded
    source: Model
    # the digest of its artifact
    source_artifact: str
    # the rows of the dataset version that it was trained on, as the task's `split` made them
    train: Any
    # where what is made is kept
    blobs: BlobStore
    # another artifact's model by its digest
    load: Callable[[str], Model]
    # the second model, for a compression of two
    other: Model | None = None
    # the digest of its artifact
    other_artifact: str | None = None
    # what chance is drawn from
    seed: int = 0
    # keeps texts' vectors by a backbone; None: go without
    cache: EmbeddingCache | None = None
    # is told how far it is
    progress: Progress = no_progress
    # what the caller set (`--set NAME=VALUE`), by name
    options: Mapping[str, Any] = field(default_factory=dict)
    # hyper-parameters that replace a training compression's own
    recipe: Mapping[str, Any] = field(default_factory=dict)
    # the folder where a long training keeps what it goes on from after a kill
    checkpoint: Path | None = None
    # (artifact, rows): that model (the source's or the other's) trained once more as it was made, on these rows only,
    # for what must be chosen on rows that a model has not seen; None: nobody here can
    again: Callable[[str, Any], Model] | None = None


@dataclass(frozen=True)
class Compression:
    """A way to make a model cheaper."""

    # its registered name
    name: str
    # makes the cheaper model
    compress: Callable[[CompressRequest], Trained]
    # what may be set, and its usual value, whose type is the value's type; None: a number, or left to the compression
    options: Mapping[str, Any] = field(default_factory=dict)
    # how many it takes
    models: Literal[1, 2] = 1
    # whether its training has a recipe, whose numbers may be set too
    recipe: bool = False
    # a rough guess of its time for 10,000 short texts on two cores
    minutes: float = 0.5
    # whether it learns from training rows: where privacy is stated, that would cost epsilon
    reads_rows: bool = True


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
