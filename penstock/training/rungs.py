"""The rungs by name. A workspace's ladder names them; importing this loads no training library."""

from __future__ import annotations

from penstock.training import frozen_linear, ngram_linear
from penstock.training.records import Rung, Trained, TrainRequest, save

__all__ = ["RUNGS", "Rung", "TrainRequest", "Trained", "save"]

RUNGS: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("ngram-linear.v1", needs_backbone=False, train=ngram_linear.train),
        Rung("frozen-linear.v1", needs_backbone=True, train=frozen_linear.train),
    )
}
