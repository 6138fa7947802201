"""The training loop of both networks: all images in one tensor, one-cycle learning rate, label smoothing.

It sees images and class numbers, never the test rows; recipes say how long and how hard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.errors import Broken
from penstock.models.protocol import Integers
from penstock.runtime.progress import Progress
from penstock.training.images.augment import Views, view

Bytes = npt.NDArray[np.uint8]

LEAST_SHARED = 100_000  # pixels of a batch: below it threads wait for each other more than they help


@dataclass(frozen=True)
class Recipe:
    """epochs, batch: images seen. peak: the highest learning rate. decay: of the weights. smoothing: what the wrong
    classes share of a label. views: random views of each image, None for the images as they are."""

    epochs: float
    batch: int
    peak: float
    decay: float = 0.01
    smoothing: float = 0.0
    warm: float = 0.25
    views: Views | None = None
    least_steps: int = 300


@dataclass(frozen=True, eq=False)
class Learned:
    """What is learned from: uint8 images (n, height, width, channels), class numbers (n,), and the rows to use."""

    images: Bytes
    truth: Integers
    rows: Integers


def fit(network: Any, data: Learned, recipe: Recipe, seed: int, progress: Progress) -> int:
    """Train `network` in place; answer the number of steps. Raises Broken when the loss is not finite."""
    import torch

    threads = torch.get_num_threads()
    batch = min(recipe.batch, max(8, len(data.rows) // 8))
    if batch * data.images[0].size < LEAST_SHARED:
        torch.set_num_threads(1)
    try:
        return _fit(network, data, replace(recipe, batch=batch), seed, progress)
    finally:
        torch.set_num_threads(threads)


def _fit(network: Any, data: Learned, recipe: Recipe, seed: int, progress: Progress) -> int:
    import torch

    random = torch.Generator().manual_seed(seed)
    pixels, wanted = torch.from_numpy(data.images), torch.from_numpy(data.truth)
    stem, body = network[0], network[1:]
    body.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(body.parameters(), lr=recipe.peak, weight_decay=recipe.decay, betas=(0.9, 0.99))
    steps = max(recipe.least_steps, math.ceil(recipe.epochs * len(data.rows) / recipe.batch))
    losses = torch.nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    half = half_precision_helps()
    network.train()
    order = _orders(torch.from_numpy(data.rows), recipe.batch, random)
    for step in range(steps):
        _set_rate(optimiser, recipe, step / steps)
        rows = next(order)
        with torch.no_grad():
            seen = stem(pixels[rows])
            if recipe.views is not None:
                seen = view(seen, recipe.views, random)
            seen = seen.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            scores = body(seen)
        loss = losses(scores.float(), wanted[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0 or step == steps - 1:
            if not math.isfinite(loss.item()):
                raise Broken("the loss of the network is not finite", hint="look for damaged images, or lower the rate")
            progress("train", step, steps, f"loss {loss.item():.3f}")
    network.eval()
    return steps


def half_precision_helps() -> bool:
    """Whether the processor multiplies bfloat16 itself: then a step takes half the time; emulated, it takes longer."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _set_rate(optimiser: Any, recipe: Recipe, done: float) -> None:
    """One cycle (Smith 2018): from a tenth of the peak up to it, then by a cosine down to nearly nothing."""
    if done < recipe.warm:
        share = 0.1 + 0.9 * done / recipe.warm
    else:
        share = 0.5 * (1 + math.cos(math.pi * (done - recipe.warm) / (1 - recipe.warm)))
    for group in optimiser.param_groups:
        group["lr"] = recipe.peak * max(share, 1e-3)


def _orders(rows: Any, batch: int, random: Any) -> Iterator[Any]:
    """Row numbers of one batch after the other; every image once before any comes again."""
    import torch

    while True:
        shuffled = rows[torch.randperm(len(rows), generator=random)]
        for start in range(0, len(rows) - batch + 1, batch):
            yield shuffled[start : start + batch]
