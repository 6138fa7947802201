"""The rungs by name. A workspace's ladder names them; importing this loads no training library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore
from penstock.training import frozen_linear, images, knowledge, ngram_linear, opinion, recommendation, tabular
from penstock.training.backbones import resolve
from penstock.training.images.vision import resolve_vision
from penstock.training.multi_label import by_rows, frozen, ngram
from penstock.training.multi_label.rows import check_sets
from penstock.training.records import Rung, Trained, TrainRequest, save
from penstock.training.text import blend, full, lora, private, static
from penstock.training.text.rows import check_rows
from penstock.workspace.records import Backbone as Source

__all__ = ["RESOLVERS", "RUNGS", "Rung", "TrainRequest", "Trained", "save"]

_CHECK = by_rows(check_rows, check_sets)
_TEXT = (
    Rung("ngram-linear.v1", by_rows(ngram_linear.train, ngram.train), minutes=0.1, check=_CHECK),
    Rung(static.NAME, static.train, backbone="text", space=static.SPACE, minutes=0.5, check=static.check),
    Rung("frozen-linear.v1", by_rows(frozen_linear.train, frozen.train), backbone="text", check=_CHECK),
    Rung(
        private.NAME, private.train, backbone="text", check=private.check
    ),  # no space: choosing numbers by rows would cost privacy
    Rung(lora.NAME, lora.train, backbone="text", space=lora.SPACE, minutes=3.0, check=lora.check),
    Rung(full.NAME, full.train, backbone="text", space=full.SPACE, minutes=4.0, check=full.check),
    Rung(blend.NAME, blend.train, backbone="text", space=full.SPACE, minutes=5.0, check=full.check),
)

_ALL = (*_TEXT, *knowledge.RUNGS, *opinion.RUNGS, *recommendation.RUNGS, *images.RUNGS, *tabular.RUNGS)

RESOLVERS: Mapping[str, Callable[[Source, str, BlobStore, Path, Progress], str]] = {
    "text": resolve,
    "vision": resolve_vision,
}
"""How a backbone of each kind that a rung may ask for is brought into the blob store."""

RUNGS: dict[str, Rung] = {rung.name: rung for rung in _ALL}
