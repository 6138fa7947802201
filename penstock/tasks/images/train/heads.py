"""Chooses how stiff a linear head should be, on held-out rows, and fits it on all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penstock.core.errors import Broken
from penstock.models.protocol import Floats, Integers
from penstock.runtime.progress import Progress
from penstock.tasks.images.train.rows import LEAST_HELD, held_out, held_temperature
from penstock.training.calibration import log_loss
from penstock.training.rows import enough_to_judge
from penstock.training.softmax_head import Head, fit_path, fit_told, regularised

CHOOSING_TOLERANCE = 1e-3  # of the gradient, while strengths are compared


@dataclass(frozen=True, eq=False)
class Chosen:
    """A head fitted on all rows; its temperature, and what it reached on `rows` held-out rows before."""

    head: Head
    temperature: float
    accuracy: float
    rows: int

    def notes(self) -> tuple[str, ...]:
        """How it was chosen, for people."""
        return (
            f"{regularised(self.head.strength, len(self.head.bias))}, chosen on {self.rows:,} held-out training rows "
            f"(accuracy {self.accuracy:.4f})",
            f"temperature {self.temperature:.3g}, fitted on the same",
        )


def choose_head(
    vectors: Floats, truth: Integers, classes: int, strengths: Sequence[float], seed: int, progress: Progress
) -> Chosen:
    """The strength with the least held-out log loss; the path rises from stiff to loose and ends once it worsens.

    vectors: (rows, hidden); truth: (rows,) class numbers. Too few rows to hold any out: the middle strength, and no
    temperature. Raises Broken for vectors that are not finite.
    """
    kept, held = held_out(truth, seed)
    held = enough_to_judge(held, classes)
    units = len(strengths) + 1
    best: tuple[float, float, float, float] | None = None
    if len(held) >= LEAST_HELD:
        tell = fit_told(progress, 0, units, "comparing strengths")
        for head in fit_path(vectors[kept], truth[kept], classes, strengths, CHOOSING_TOLERANCE, tell=tell):
            scores = head.scores(vectors[held])
            temperature = held_temperature(scores, truth[held])
            loss = log_loss(scores.astype(np.float64) / temperature, truth[held])
            if best is not None and loss >= best[0]:
                break
            best = loss, head.strength, temperature, float((scores.argmax(axis=1) == truth[held]).mean())
    _, strength, temperature, accuracy = best or (0.0, strengths[len(strengths) // 2], 1.0, 0.0)
    tell = fit_told(progress, len(strengths), units, "fitting on all rows")
    tell(0, 0.0)
    head = next(fit_path(vectors, truth, classes, (strength,), tell=tell))
    if not np.isfinite(head.weights).all():
        raise Broken("the head's weights are not finite", hint="look for damaged images, or another backbone")
    progress("train", 100, 100, "done")
    return Chosen(head, temperature, accuracy, len(held))
