"""The records of labelled images, and their form as rows of a dataset version: deflated pixels in base64."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.tasks.images.data.decode import Pixels

FAST = 1  # of zlib: on MNIST 3% larger than its best in half the time; a seventh of the pixels as they are


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """A labelled image (height, width, channels). origin: "cats/7.png", "images.idx:12" or "feedback:fb_…"."""

    pixels: Pixels
    label: str
    origin: str
    customer: str | None = None


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images as trainers and evaluation see them: inputs (n, height, width, channels) uint8, inputs[i] is labelled
    labels[i] and came from origins[i]."""

    inputs: Pixels
    labels: tuple[str, ...]
    origins: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        _, height, width, channels = self.inputs.shape
        return height, width, channels


def to_row(picture: Picture) -> dict[str, Any]:
    """A picture as a JSON object; the same picture is always the same object."""
    packed = zlib.compress(np.ascontiguousarray(picture.pixels).data, FAST)
    row: dict[str, Any] = {
        "image": base64.b64encode(packed).decode("ascii"),
        "shape": list(picture.pixels.shape),
        "label": picture.label,
        "origin": picture.origin,
    }
    return row if picture.customer is None else {**row, "customer": picture.customer}


def of_row(row: Mapping[str, Any]) -> Picture:
    """The inverse of to_row. Raises Broken when it is not such a row."""
    shape = tuple(row["shape"])
    pixels = np.frombuffer(_unpacked(row), dtype=np.uint8)
    if len(shape) != 3 or pixels.size != np.prod(shape):
        raise Broken(f"the row's {pixels.size} values do not fill an image of {shape}", where=str(row.get("origin")))
    return Picture(pixels.reshape(shape), row["label"], row.get("origin", ""), row.get("customer"))


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Pictures:
    """Rows of one shape as one array. Raises Broken when their shapes differ."""
    if not rows:
        return Pictures(np.empty((0, 1, 1, 1), dtype=np.uint8), (), ())
    shape = tuple(rows[0]["shape"])
    pixels = np.empty((len(rows), int(np.prod(shape))), dtype=np.uint8)
    for index, row in enumerate(rows):
        unpacked = _unpacked(row)
        if tuple(row["shape"]) != shape or len(unpacked) != pixels.shape[1]:
            raise Broken(f"an image of {tuple(row['shape'])} among those of {shape}", where=str(row.get("origin")))
        pixels[index] = np.frombuffer(unpacked, dtype=np.uint8)
    labels, origins = tuple(row["label"] for row in rows), tuple(str(row.get("origin", "")) for row in rows)
    return Pictures(pixels.reshape(len(rows), *shape), labels, origins)


def _unpacked(row: Mapping[str, Any]) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(row["image"]))
    except (zlib.error, binascii.Error) as error:
        raise Broken(f"the row's image is damaged: {error}", where=str(row.get("origin"))) from None
