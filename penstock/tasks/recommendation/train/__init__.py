"""The rungs of recommendation, cheapest first. Importing this loads no training library; they need numpy alone."""

from __future__ import annotations

from penstock.tasks.recommendation.train import rungs
from penstock.training.backbones import resolve
from penstock.training.records import Rung, Training

RUNGS: tuple[Rung, ...] = (
    Rung("popularity.v1", rungs.train_popularity),
    Rung("item-item.v1", rungs.train_item_item),
    Rung("sequence-ease.v1", rungs.train_sequence),
    Rung("hybrid-items.v1", rungs.train_hybrid, backbone="text"),
)

TRAINING = Training(RUNGS, resolvers={"text": resolve})
