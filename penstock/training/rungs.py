"""The rungs by name. A workspace's ladder names them; importing this loads no training library."""

from __future__ import annotations

from penstock.training import frozen_linear, ngram_linear
from penstock.training.records import Rung, Trained, TrainRequest, save

__all__ = ["RUNGS", "Rung", "TrainRequest", "Trained", "save"]

_TEXT = (
    Rung("ngram-linear.v1", ngram_linear.train),
    Rung("frozen-linear.v1", frozen_linear.train, backbone="text"),
)

RUNGS: dict[str, Rung] = {rung.name: rung for rung in (*_TEXT,)}
