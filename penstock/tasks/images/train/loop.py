"""How both networks learn: what the shared loop needs to know of images, and when one thread is faster than two.

It sees images and class numbers, never the test rows; recipes say how long and how hard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.hashing import digest_of, sha256_of
from penstock.models.protocol import Integers
from penstock.tasks.images.train.augment import Views, view
from penstock.training.loop import Fitted, Problem, Recipe, fit
from penstock.training.loop.batches import even_batch
from penstock.training.records import TrainRequest

Bytes = npt.NDArray[np.uint8]

LEAST_SHARED = 100_000  # pixels of a batch: below it threads wait for each other more than they help


@dataclass(frozen=True, eq=False)
class Learned:
    """What is learned from: uint8 images (n, height, width, channels), class numbers (n,), and the rows to use.
    views: random views of each image, None for the images as they are."""

    images: Bytes
    truth: Integers
    rows: Integers
    views: Views | None = None


def learn(request: TrainRequest, network: Any, data: Learned, recipe: Recipe, name: str) -> Fitted:
    """Train `network` in place. Raises what the loop raises, above all Broken when the loss is not finite."""
    batch = even_batch(len(data.rows), min(recipe.batch, max(8, len(data.rows) // 8)))
    with _threads(alone=batch * data.images[0].size < LEAST_SHARED):
        return fit(
            _problem(network, data, recipe, name),
            replace(recipe, batch=batch),
            seed=request.seed,
            progress=request.progress,
            checkpoint=request.checkpoint,
            world=request.world,
            until=request.until,
        )


def _problem(network: Any, data: Learned, recipe: Recipe, name: str) -> Problem:
    import torch

    pixels, truth = torch.from_numpy(data.images), torch.from_numpy(data.truth)
    used = torch.from_numpy(data.rows)
    stem, body = network[0], network[1:]
    body.to(memory_format=torch.channels_last)

    def loss(numbers: Any) -> Any:
        rows = used[numbers]
        # in float32: the grid that a view is sampled by must tell neighbouring pixels apart
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            seen = stem(pixels[rows])
            if data.views is not None:
                seen = view(seen, data.views, torch.default_generator)
            seen = seen.contiguous(memory_format=torch.channels_last)
        return torch.nn.functional.cross_entropy(
            body(seen).float(), truth[rows], reduction="none", label_smoothing=recipe.smoothing
        )

    known = [name, sha256_of(data.images.tobytes()), data.truth.tolist(), data.rows.tolist(), repr(data.views)]
    return Problem(
        network,
        len(data.rows),
        loss,
        identity=digest_of(known),
        called=lambda row: f"number {data.rows[row] + 1}",
    )


@contextmanager
def _threads(*, alone: bool) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if alone:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
