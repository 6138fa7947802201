"""A recipe trained again on all labelled rows, once the gate has said yes to what it learned from the training rows.

Nothing is measured of it that a gate could ask: it has seen the test rows. It is only held against the judged model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from penstock import installed
from penstock.datasets.rows import TaskRow
from penstock.evaluation.parity import MOST_DIFFERENCE, answers_of
from penstock.loader import Loader
from penstock.models.protocol import Floats, Model, given
from penstock.pipeline.records import Refit, RefitRung, Refitted
from penstock.runtime.house import House
from penstock.runtime.progress import Progress
from penstock.training.records import Trained, save

LEAST_KEPT = 0.95
"""Of the judged model's right answers on the test rows. Training has now seen these rows: who loses more went wrong."""

Rows = Sequence[TaskRow]
Flags: TypeAlias = npt.NDArray[np.bool_]


def refitted(
    house: House,
    asked: RefitRung,
    train_rows: Rows,
    test_rows: Rows,
    *,
    train: Callable[[list[TaskRow]], Trained],
    progress: Progress,
) -> Refitted:
    """What comes of training on all labelled rows, held against the judged model. train: the recipe, on these rows."""
    product, loader = house.workspace.products[asked.at.product], Loader(house.blobs)
    task = installed.of(product)
    learned = [*train_rows, *filter(_labelled, test_rows)]
    judged = loader.load(asked.artifact)
    trained = task.training().carry_over(train(learned), judged)
    artifact = save(trained, house.blobs)
    test = task.split(test_rows, product)
    progress("refit", 0, 1, "comparing with the judged model")
    before, after, unsaved = (
        answers_of(model, test.inputs, lambda done: None) for model in (judged, loader.load(artifact), trained.model)
    )
    compared = _estimates if task.estimates else _labels
    right, alike = compared(judged, before, trained.model, after, test)
    kept = float(alike[right].mean()) if right.any() else 0.0
    same = float(np.abs(after - unsaved).max(initial=0.0)) <= MOST_DIFFERENCE
    refit = Refit(
        artifact=artifact,
        rows=sum(map(_labelled, learned)),
        agreement=float(alike.mean()),
        kept=kept,
        holds=bool(same and kept >= LEAST_KEPT),
    )
    progress("refit", 1, 1, "done")
    return Refitted(refit=refit, note=_note(refit))


def _labelled(row: TaskRow) -> bool:
    """Whether a row has a label, a set of them, or a target; a text out of scope has none."""
    return any(row.get(name) is not None for name in ("label", "labels", "target"))


def _labels(judged: Model, before: Floats, again: Model, after: Floats, test: Any) -> tuple[Flags, Flags]:
    """(rows,): where the judged model gave the right labels, and where both gave the same."""
    answered, said = _in_words(judged, before), _in_words(again, after)
    right = [own == set(_listed(truth)) for own, truth in zip(answered, test.labels, strict=True)]
    return np.array(right), np.array([one == other for one, other in zip(said, answered, strict=True)])


def _estimates(judged: Model, before: Floats, again: Model, after: Floats, test: Any) -> tuple[Flags, Flags]:
    """(rows,): where the judged model's interval held the true value, and where it holds the other's estimate."""
    truth, (_, low, high) = np.array(test.targets, dtype=np.float64), before.T
    return (low <= truth) & (truth <= high), (low <= after[:, 0]) & (after[:, 0] <= high)


def _listed(labels: str | Sequence[str]) -> Sequence[str]:
    return (labels,) if isinstance(labels, str) else labels


def _in_words(model: Model, answers: Floats) -> list[set[str]]:
    """The labels that a model gives, a row each."""
    names = np.array(model.labels, dtype=object)
    return [set(names[flags]) for flags in given(model, answers)]


def _note(refit: Refit) -> str:
    first = f"trained again on all {refit.rows:,} labelled rows: {refit.kept:.1%} of the right answers kept, "
    first += f"{refit.agreement:.1%} of the test rows answered alike"
    if refit.holds:
        return f"{first}; a release serves this model, and every figure is of the one before"
    return f"{first}, which is too little (at least {LEAST_KEPT:.0%} kept) or not the same once saved; it is not served"
