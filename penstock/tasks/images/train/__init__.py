"""The rungs that learn from images, cheapest first. Importing this loads no training library."""

from __future__ import annotations

from penstock.tasks.images.train import cnn, frozen, pixels
from penstock.tasks.images.train.vision import resolve_vision
from penstock.training.records import Rung, Training

RUNGS: tuple[Rung, ...] = (
    Rung("pixels-linear.v1", pixels.train),
    Rung("small-cnn.v1", cnn.train_small),
    Rung("strong-cnn.v1", cnn.train_strong),
    Rung("frozen-vision.v1", frozen.train, backbone="vision"),
)

TRAINING = Training(RUNGS, resolvers={"vision": resolve_vision})
