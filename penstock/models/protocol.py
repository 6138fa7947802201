"""What every model is to the packages that use it: it scores its labels for inputs. It knows no kind of model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from penstock.models.backbone import Backbone

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


UNSURE_BELOW = "unsure_below"
"""The setting of an artifact, and the field of a model, that holds the least probability it answers with."""
NEVER = 1.01
"""A threshold above every probability."""
THRESHOLDS = "thresholds"
"""The tensor of an artifact, and the field of a model, that holds the least probability (labels,) each label is given
with, where a text has any number of labels."""


class Model(Protocol):
    """Scores `labels` for each input: classes, entries, items, or the parts of an estimate. What an input is, its
    task says. kind: the registered name of how, e.g. "ngram-linear.v1"."""

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def predict(self, inputs: Sequence[Any]) -> Floats:
        """Scores (n, len(labels)), float32, finite. Row i is bit-identical to predicting inputs[i] alone."""
        ...


@dataclass(frozen=True)
class Part:
    """What a stretch of a text, its characters from `start` up to `end`, adds to the score of a label, in nats: above 0
    it speaks for the label, below 0 against it."""

    start: int
    end: int
    weight: float


class Explains(Protocol):
    """A model that knows exactly what each part of an input adds to a label's score."""

    def explain(self, input: Any, label: int) -> tuple[Part, ...]:
        """Parts in the order of the text. label: its index in `labels`. Their weights, with a rest that no part of the
        text bears (the bias), make the label's logit less the mean logit of all labels."""
        ...


@dataclass(frozen=True)
class Parts:
    """What an artifact holds, as a kind of model sees it when it is loaded.

    read, path: a file's bytes, or where it lies (its hash is checked already). backbone: what it stands on, loaded
    and shared, or None. load: another artifact's model by its digest. where: for errors.
    """

    labels: tuple[str, ...]
    settings: Mapping[str, Any]
    read: Callable[[str], bytes]
    where: str
    backbone: Any = None
    path: Callable[[str], Path] | None = None
    load: Callable[[str], Model] | None = None

    @property
    def unsure_below(self) -> float | None:
        """The least probability that a classifier answers with; None where it always answers. Raises Broken."""
        found = self.settings.get(UNSURE_BELOW)
        if found is None:
            return None
        if not 0.0 <= float(found) <= NEVER:
            from penstock.core.errors import Broken

            raise Broken(f"a threshold cannot be {found}", where=self.where)
        return float(found)

    def text_backbone(self) -> Backbone:
        """The text encoder it stands on. Raises Broken when there is none."""
        from penstock.core.errors import Broken
        from penstock.models.backbone import Backbone

        if not isinstance(self.backbone, Backbone):
            raise Broken("the model stands on a text backbone, and the artifact names none", where=self.where)
        return self.backbone


Opener: TypeAlias = Callable[[Parts], Model]
"""Makes the model of one kind from its parts. Raises Broken when they do not fit."""


def unsure_below(model: Model) -> float | None:
    """The least probability that the model answers with: below it the answer is "don't know". None: it always
    answers."""
    found: float | None = getattr(model, UNSURE_BELOW, None)
    return found


def thresholds_of(model: Model) -> Floats | None:
    """The least probability (labels,) that each label is given with; None for a model that gives one label."""
    found: Floats | None = getattr(model, THRESHOLDS, None)
    return found


def given(model: Model, answers: Floats) -> npt.NDArray[np.bool_]:
    """Which labels the model gives (n, labels), by its answers: those from their thresholds on, or the likeliest."""
    thresholds = thresholds_of(model)
    if thresholds is not None:
        reached: npt.NDArray[np.bool_] = answers >= thresholds
        return reached
    likeliest = answers.argmax(axis=1)
    return np.asarray(likeliest[:, None] == np.arange(answers.shape[1]), dtype=np.bool_)
