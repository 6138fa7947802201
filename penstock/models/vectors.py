"""Models that answer from a backbone's vectors: the vectors of inputs are computed once for all that share a backbone.

In bulk, on all cores: within 1e-6 of what is served one at a time. Evaluation compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from penstock.models.backbone import Backbone
from penstock.models.protocol import Floats, Model
from penstock.runtime.progress import Progress, no_progress

Embed = Callable[[Backbone, Sequence[str], Progress], Floats]


@runtime_checkable
class OnVectors(Protocol):
    """A model whose predict is `from_vectors` of its backbone's vectors."""

    @property
    def backbone(self) -> Backbone: ...

    def from_vectors(self, vectors: Floats) -> Floats:
        """Scores (n, labels) of vectors (n, hidden)."""
        ...


def backbone_of(model: Model) -> Backbone | None:
    """What the model stands on, where it answers from its vectors."""
    return model.backbone if isinstance(model, OnVectors) else None


def in_bulk(model: Model, inputs: Sequence[Any]) -> Floats:
    """`model.predict(inputs)`, quicker where it stands on a backbone, and then equal within 1e-6 only."""
    return (
        model.from_vectors(model.backbone.embed_bulk(inputs)) if isinstance(model, OnVectors) else model.predict(inputs)
    )


def plain_embed(backbone: Backbone, texts: Sequence[str], progress: Progress = no_progress) -> Floats:
    """Vectors that nothing keeps."""
    return backbone.embed_bulk(texts, progress)
