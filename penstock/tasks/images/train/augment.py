"""Random views of a batch of images by tensor operations: turned, scaled, sheared, shifted, and partly covered.

One grid and one sampling per batch instead of a call per image. It knows no labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Views:
    """How far views go. turn: degrees either way. scale, shear, shift: shares of the image. erase: the chance that a
    rectangle of an image is covered (Zhong et al. 2017). flip: left and right may be exchanged."""

    turn: float = 10.0
    scale: float = 0.10
    shear: float = 0.10
    shift: float = 0.08
    erase: float = 0.0
    flip: bool = False


def view(images: Any, views: Views, random: Any) -> Any:
    """Other views of float images (n, channels, height, width). random: the torch generator that decides."""
    import torch
    from torch.nn import functional

    count = len(images)

    def spread(amount: float) -> Any:
        return (torch.rand(count, generator=random) * 2 - 1) * amount

    angle, shear = spread(math.radians(views.turn)), spread(views.shear)
    wide, high = 1 + spread(views.scale), 1 + spread(views.scale)
    if views.flip:
        wide = wide * torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * wide, -sin * high + shear, spread(2 * views.shift)], dim=1),
        torch.stack([sin * wide, cos * high, spread(2 * views.shift)], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    seen = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _covered(seen, views.erase, random) if views.erase else seen


def _covered(images: Any, chance: float, random: Any) -> Any:
    """A rectangle of 15 to 40% of each side, at a random place of some of the images, set to the mean (zero)."""
    import torch

    count, _, height, width = images.shape

    def inside(side: int) -> Any:
        length = (0.15 + 0.25 * torch.rand(count, 1, generator=random)) * side
        start = torch.rand(count, 1, generator=random) * (side - length)
        at = torch.arange(side)
        return (at >= start) & (at < start + length)

    hit = (torch.rand(count, 1, 1, generator=random) < chance) & inside(height)[:, :, None] & inside(width)[:, None, :]
    return images.masked_fill(hit[:, None], 0.0)
