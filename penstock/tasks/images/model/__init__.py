"""Models that read images: uint8 arrays (height, width, channels). Each answers one image per run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol, runtime_checkable

from penstock.models.protocol import Model, Opener
from penstock.tasks.images.model import frozen_vision, network, pixels_linear

KINDS: Mapping[str, Opener] = {
    pixels_linear.KIND: pixels_linear.open_parts,
    network.SMALL: partial(network.open_parts, network.SMALL),
    network.STRONG: partial(network.open_parts, network.STRONG),
    frozen_vision.KIND: frozen_vision.open_parts,
}


@runtime_checkable
class ImageModel(Model, Protocol):
    """shape: (height, width, channels) of the images it was trained on. converts: it was trained on colours turned
    into grays, so it may be asked with colours too."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def converts(self) -> bool: ...
