"""Labelled images as rungs need them: labels as numbers, some rows held out, the form that a model will keep."""

from __future__ import annotations

from collections import Counter

import numpy as np

from penstock.core.errors import BadInput
from penstock.models.protocol import Floats, Integers
from penstock.tasks.images.data.rows import Pictures
from penstock.tasks.images.model.form import Form
from penstock.training.calibration import fit_temperature
from penstock.training.records import TrainRequest

HELD_SHARE, MOST_HELD = 0.1, 2_000  # 2,000 rows fix a temperature to a few percent; more are better trained on
LEAST_HELD = 20


def numbered(pictures: Pictures) -> tuple[tuple[str, ...], Integers]:
    """The labels in sorted order, and per image the number (n,) of its label. Raises BadInput when there is nothing
    to tell apart, or a class has one image only."""
    counts = Counter(pictures.labels)
    if len(counts) < 2:
        raise BadInput(
            f"there are images of {len(counts)} labels",
            where="train",
            hint="a classifier needs at least two labels",
        )
    labels = tuple(sorted(counts))
    single = next((label for label in labels if counts[label] < 2), None)
    if single is not None:
        raise BadInput(f"the label {single!r} has only one image to train on", where="train", hint="add images of it")
    number = {label: index for index, label in enumerate(labels)}
    return labels, np.array([number[label] for label in pictures.labels], dtype=np.int64)


def held_out(truth: Integers, seed: int) -> tuple[Integers, Integers]:
    """(rows to fit, rows held out): a tenth of each class, 2,000 in all at most, chosen by the seed."""
    share = min(HELD_SHARE, MOST_HELD / len(truth))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    classes = np.split(by_class, np.cumsum(np.bincount(truth))[:-1])
    held = np.concatenate([rows[: int(share * len(rows))] for rows in classes])
    return np.setdiff1d(np.arange(len(truth)), held), np.sort(held)


def held_temperature(scores: Floats, truth: Integers) -> float:
    """The temperature (Guo et al. 2017) of held-out scores (rows, labels), as if one more row were wrong.

    Without that row a network that gets all of 140 right would be told to be certain: its best temperature is nothing.
    """
    if len(truth) < LEAST_HELD:
        return 1.0
    ordered = np.sort(scores, axis=1)
    middle = int(np.argsort(ordered[:, -1] - ordered[:, -2])[len(scores) // 2])
    second = np.argsort(scores[middle])[-2]
    return fit_temperature(np.vstack([scores, scores[middle]]), np.append(truth, second))[0]


def form_of(request: TrainRequest, temperature: float) -> Form:
    """What the model will say of itself. Colours may be sent to a model of grays if the product turned them so."""
    pictures: Pictures = request.train
    return Form(pictures.shape, request.options.get("color") == "gray", temperature)
