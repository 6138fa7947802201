"""The two convolutional networks, small and strong. They take uint8 images as they are: scaling is the first layer.

It knows shapes, not where the images come from nor how a network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.models.protocol import Floats

SMALL_SIDE, STRONG_SIDE = 48, 64  # larger images are averaged down to at most this, so that an epoch stays seconds


@dataclass(frozen=True)
class Shape:
    """An image's height, width and channels, and the classes to tell apart."""

    height: int
    width: int
    channels: int
    classes: int

    def shrink(self, most: int) -> int:
        """By which whole number the longer side is divided to be at most `most`."""
        return max(1, -(-max(self.height, self.width) // most))


def small(shape: Shape, mean: Floats, deviation: Floats) -> Any:
    """Two convolutions with pooling and two dense layers. Pooling before normalising quarters its work."""
    from torch import nn

    shrink = shape.shrink(SMALL_SIDE)
    height, width = (side // shrink // 4 for side in (shape.height, shape.width))
    return nn.Sequential(
        _stem(mean, deviation, shrink),
        *_stage(shape.channels, 16, pool=True, kernel=5),
        *_stage(16, 32, pool=True),
        nn.Flatten(),
        nn.Linear(32 * height * width, 128),
        nn.ReLU(),
        nn.Linear(128, shape.classes),
    )


def strong(shape: Shape, mean: Floats, deviation: Floats, width: int = 24) -> Any:
    """Five convolutions, then the largest value of each feature wherever it lies, then one dense layer."""
    from torch import nn

    return nn.Sequential(
        _stem(mean, deviation, shape.shrink(STRONG_SIDE)),
        *_stage(shape.channels, width, pool=True, kernel=5),
        *_stage(width, 2 * width),
        *_stage(2 * width, 2 * width, pool=True),
        *_stage(2 * width, 4 * width),
        *_stage(4 * width, 4 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, shape.classes),
    )


def channel_statistics(images: Any) -> tuple[Floats, Floats]:
    """Mean and standard deviation (channels,) of uint8 images (n, height, width, channels), on a 0 to 1 scale."""
    sample = images[:: max(1, len(images) // 5_000)].astype(np.float32) / 255
    mean, deviation = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2))
    return mean, np.maximum(deviation, 0.05)  # images of one shade would be divided by nothing


def _stage(before: int, after: int, *, pool: bool = False, kernel: int = 3) -> list[Any]:
    from torch import nn

    convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return [convolution, *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(after), nn.ReLU()]


def _stem(mean: Floats, deviation: Floats, shrink: int) -> Any:
    """uint8 (n, height, width, channels) to standardised float32 (n, channels, height / shrink, width / shrink)."""
    import torch
    from torch import nn

    class Stem(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.tensor(1 / (255 * deviation)).view(-1, 1, 1))
            self.register_buffer("shift", torch.tensor(mean / deviation).view(-1, 1, 1))

        def forward(self, images: Any) -> Any:
            values = images.permute(0, 3, 1, 2).float() * self.scale - self.shift
            return values if shrink == 1 else nn.functional.avg_pool2d(values, shrink)

    return Stem()
