"""Opinion monitoring's rungs: a detector calibrated on the history, over a released sentiment model."""

from __future__ import annotations

from penstock.tasks.opinion.train.fit import check, train_fixed, train_seasonal
from penstock.training.records import Rung, Training

RUNGS: tuple[Rung, ...] = (
    Rung("fixed-threshold.v1", train_fixed, check=check),
    Rung("seasonal-cusum.v1", train_seasonal, check=check),
)

TRAINING = Training(RUNGS)
