"""What every rung takes and gives: a request, and a trained model with all that its artifact will hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from penstock.core.errors import BadInput
from penstock.models.artifact import save_artifact
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache
from penstock.training.loop.records import ALONE, World


@dataclass(frozen=True)
class TrainRequest:
    """Train on these rows. train: what the task's `split` made of them. backbone: for the rungs that need one; texts'
    vectors by it are cached in `cache` (None: go without). options: [products.NAME.options], as written. load: another
    artifact's model by its digest, for rungs that build on one. blobs: where a rung that tunes a backbone keeps it.
    recipe: hyper-parameters that replace the rung's own. checkpoint: the folder where a long training keeps what it
    goes on from after a kill. world: who trains together. stands_for: of how many rows the model learns that this one
    stands in for (a search's trial, a half of a cascade), so that a recipe that follows their number is that model's;
    None: of these. until: the moment, of time.perf_counter(), when a training by steps stops with what it has."""

    train: Any
    backbone: Any = None
    seed: int = 0
    cache: EmbeddingCache | None = None
    progress: Progress = no_progress
    options: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[str], Model] | None = None
    blobs: BlobStore | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    world: World = ALONE
    stands_for: int | None = None
    until: float = math.inf


@dataclass(frozen=True)
class Trained:
    """A model in memory, and what `save` keeps of it. seconds: wall time. notes: how it was chosen, for people.

    settings["parity"], where a rung exports a graph of its own: the largest difference of the exported to the trained.
    facts: what only training knows and a gate may ask, by metric name: "epsilon", "fidelity". parameters: the
    hyper-parameters it was made with. curves: name -> (step, value) points.
    """

    model: Model
    files: Mapping[str, bytes]
    settings: Mapping[str, Any]
    seconds: float
    backbone: str | None = None
    notes: tuple[str, ...] = field(default=())
    facts: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """Numbers from low to high that a search may try; by their logarithm, or whole ones."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space: TypeAlias = Mapping[str, Range | tuple[Any, ...]]
"""What a search may try of a rung's recipe: a range, or a few values."""


def accepts(request: TrainRequest) -> None:
    """What a rung refuses that has nothing to look at beforehand: nothing."""


@dataclass(frozen=True)
class Rung:
    """A recipe by its registered name. backbone: what kind it stands on, "" for none. check: raises BadInput for what
    `train` would refuse of the rows, the options or the recipe, by the same code; quick, and without a backbone or what
    the rows' own cleaning refuses already. space: what a search may change
    of its recipe when the gate says no; empty: nothing. minutes: a rough guess of its time for 10,000 short texts on
    two cores, which orders what a budget allows before anything was measured."""

    name: str
    train: Callable[[TrainRequest], Trained]
    backbone: Literal["", "text", "vision"] = ""
    space: Space = field(default_factory=dict)
    minutes: float = 0.5
    check: Callable[[TrainRequest], None] = accepts

    @property
    def needs_backbone(self) -> bool:
        return self.backbone != ""


def text_backbone(request: TrainRequest, where: str) -> Backbone:
    """What a rung of texts stands on. Raises BadInput where the product names none. where: the rung."""
    if not isinstance(request.backbone, Backbone):
        raise BadInput(
            "this rung needs a backbone",
            where=where,
            hint='name one in penstock.toml: backbone = "english", described in [backbones.english]; '
            "or climb only rungs without, by ladder = [...]",
        )
    return request.backbone


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
