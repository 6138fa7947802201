"""The rungs of knowledge answering, cheapest first. Importing this loads no training library."""

from __future__ import annotations

from penstock.tasks.knowledge.train import rungs, tuned
from penstock.training.backbones import resolve
from penstock.training.records import Rung, Training

RUNGS: tuple[Rung, ...] = (
    Rung("bm25.v1", rungs.train_bm25),
    Rung("frozen-answer.v1", rungs.train_frozen, backbone="text"),
    Rung("hybrid-answer.v1", rungs.train_hybrid, backbone="text"),
    Rung("tuned-answer.v1", tuned.train, backbone="text"),
)

TRAINING = Training(RUNGS, resolvers={"text": resolve})
