"""What every rung takes and gives: a request, and a trained model with all that its artifact will hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from penstock.core.errors import BadInput
from penstock.models.artifact import save_artifact
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.training.cache import EmbeddingCache
from penstock.training.loop.records import ALONE, World
from penstock.workspace.records import Backbone as Source

if TYPE_CHECKING:  # a compression gives a Trained
    from penstock.training.compress.records import Compression


@dataclass(frozen=True)
class TrainRequest:
    """What a rung is asked: train on these rows."""

    # what the task's `split` made of the rows
    train: Any
    # the loaded backbone, for the rungs that need one
    backbone: Any = None
    # what chance is drawn from
    seed: int = 0
    # keeps texts' vectors by the backbone; None: go without
    cache: EmbeddingCache | None = None
    # is told how far it is
    progress: Progress = no_progress
    # [products.NAME.options], as written, with the artifacts that the rung builds on
    options: Mapping[str, Any] = field(default_factory=dict)
    # another artifact's model by its digest, for rungs that build on one
    load: Callable[[str], Model] | None = None
    # where a rung that tunes a backbone keeps it
    blobs: BlobStore | None = None
    # hyper-parameters that replace the rung's own
    recipe: Mapping[str, Any] = field(default_factory=dict)
    # the folder where a long training keeps what it goes on from after a kill
    checkpoint: Path | None = None
    # who trains together
    world: World = ALONE
    # of how many rows the model learns that this one stands in for (a search's trial, a half of a cascade), so that a
    # recipe that follows their number is that model's; None: of these
    stands_for: int | None = None
    # the moment, of time.perf_counter(), when a training by steps stops with what it has
    until: float = math.inf


@dataclass(frozen=True)
class Trained:
    """A model in memory, and what `save` keeps of it."""

    # as it was trained
    model: Model
    # of its artifact, by name
    files: Mapping[str, bytes]
    # of its artifact; "parity", where a rung exports a graph of its own: the largest difference of the exported to the
    # trained
    settings: Mapping[str, Any]
    # wall time that it took
    seconds: float
    # the digest of what it stands on
    backbone: str | None = None
    # how it was chosen, for people
    notes: tuple[str, ...] = field(default=())
    # what only training knows and a gate may ask, by metric name: "epsilon", "fidelity"
    facts: Mapping[str, float] = field(default_factory=dict)
    # the hyper-parameters it was made with
    parameters: Mapping[str, Any] = field(default_factory=dict)
    # name -> (step, value) points
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
    """A recipe for training."""

    # its registered name
    name: str
    # makes the model
    train: Callable[[TrainRequest], Trained]
    # what kind of backbone it stands on, "" for none
    backbone: str = ""
    # what a search may change of its recipe when the gate says no; empty: nothing
    space: Space = field(default_factory=dict)
    # a rough guess of its time for 10,000 short texts on two cores, which orders what a budget allows before anything
    # was measured
    minutes: float = 0.5
    # raises BadInput for what `train` would refuse of the rows, the options or the recipe, by the same code; quick, and
    # without a backbone or what the rows' own cleaning refuses already
    check: Callable[[TrainRequest], None] = accepts
    # its training is differentially private, at the epsilon that the product states
    private: bool = False

    @property
    def needs_backbone(self) -> bool:
        return self.backbone != ""


Resolver: TypeAlias = Callable[[Source, str, BlobStore, Path, Progress], str]
"""(source, name, blobs, workspace folder, progress): brings a backbone into the blob store; returns its digest."""


def as_the_rung_does(train: Callable[[TrainRequest], Trained], request: TrainRequest) -> Trained:
    """What the rung makes of the request, and nothing more."""
    return train(request)


def as_trained(trained: Trained, judged: Model) -> Trained:
    """The model as it came out of training."""
    return trained


@dataclass(frozen=True)
class Training:
    """How a task's models are trained and made cheaper."""

    # its rungs, cheapest first
    rungs: tuple[Rung, ...]
    # how backbones of its own kinds are brought into the blob store, by what a rung's `backbone` says
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)
    # what makes its models cheaper
    compressions: tuple[Compression, ...] = ()
    # (a rung's train, request): trains, with what the task's products may ask for besides, e.g. a threshold below
    # which the model says that it is unsure
    train: Callable[[Callable[[TrainRequest], Trained], TrainRequest], Trained] = as_the_rung_does
    # (trained, judged): what was trained anew or made cheaper, with the judged model's own settings that no training
    # finds again, e.g. that threshold
    carry_over: Callable[[Trained, Model], Trained] = as_trained


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
