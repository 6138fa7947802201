"""What a network on texts is taught by: the labels, and a larger model's answers and vectors where there is one.

It knows losses, not networks. Hinton, Vinyals, Dean 2015 (arXiv 1503.02531).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.models.protocol import Floats, Integers

SOFTENED = 2.0  # the temperature that both sides' answers are compared at
LEAST = 1e-6  # a probability below it teaches nothing more


@dataclass(frozen=True, eq=False)
class Lesson:
    """truth: (rows,) class numbers; weights: (rows,) 1 on average. soft: a teacher's probabilities (rows, labels), and
    the share of the loss that they are; the labels are the rest. vectors: a teacher's vectors (rows, hidden) that the
    student's shall point along, and the weight of that."""

    truth: Integers
    weights: Floats
    soft: Floats | None = None
    soft_share: float = 0.0
    vectors: Floats | None = None
    vectors_weight: float = 0.0


@dataclass(frozen=True, eq=False)
class Taught:
    """A lesson as tensors on the student's device."""

    lesson: Lesson
    truth: Any
    weights: Any
    soft: Any
    vectors: Any


def on_device(lesson: Lesson, device: Any) -> Taught:
    """The lesson where its student is."""
    import torch

    def moved(array: Any) -> Any:
        return None if array is None else torch.from_numpy(array).to(device)

    soft = moved(lesson.soft)
    if soft is not None:  # softened once: log p / T, normalised
        soft = torch.log_softmax(soft.clamp(min=LEAST).log() / SOFTENED, dim=1)
    return Taught(lesson, moved(lesson.truth), moved(lesson.weights), soft, moved(lesson.vectors))


def losses(taught: Taught, scores: Any, vectors: Any, numbers: Any, smoothing: float) -> Any:
    """The loss (k,) of each of these rows. scores: (k, labels), vectors: (k, hidden) or None; numbers: (k,) rows."""
    import torch.nn.functional as functions

    lesson, scores = taught.lesson, scores.float()
    truth = taught.truth[numbers]
    found = functions.cross_entropy(scores, truth, reduction="none", label_smoothing=smoothing)
    if taught.soft is not None:
        own = functions.log_softmax(scores / SOFTENED, dim=1)
        told = functions.kl_div(own, taught.soft[numbers], reduction="none", log_target=True).sum(dim=1)
        found = (1 - lesson.soft_share) * found + lesson.soft_share * SOFTENED**2 * told
    if taught.vectors is not None and vectors is not None:
        apart = 1 - functions.cosine_similarity(vectors.float(), taught.vectors[numbers], dim=1)
        found = found + lesson.vectors_weight * apart
    return found * taught.weights[numbers]
