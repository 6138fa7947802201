"""Reads idx files, the format MNIST came in: a short header and then bare numbers, also gzipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from penstock.core.errors import BadInput
from penstock.datasets.lines import opened, read_all
from penstock.tasks.images.data.decode import Pixels

_UINT8 = 0x08
_HINT = "an idx file begins with two zero bytes, 0x08 for uint8, and the number of its dimensions"


def is_idx(path: Path) -> bool:
    """By its name: ….idx, ….idx3-ubyte or ….ubyte, also with .gz."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith("ubyte") or Path(name).suffix.startswith(".idx")


def read_images(path: Path) -> Pixels:
    """uint8 (n, height, width, channels) of a file with three dimensions, or four where the last one is 1 or 3."""
    values = _read(path)
    if values.ndim == 3:
        values = values[..., None]
    if values.ndim != 4 or values.shape[3] not in (1, 3) or 0 in values.shape:
        hint = "images have the dimensions (n, height, width) or (n, height, width, 1 or 3)"
        raise BadInput(f"holds an array of {values.shape}, which is no set of images", where=path.name, hint=hint)
    return values


def read_labels(path: Path, images: Path, count: int) -> list[str]:
    """The labels as text, one per image of `images`, which holds `count`."""
    values = _read(path)
    if values.shape != (count,):
        raise BadInput(f"holds {values.shape} labels; {images.name} holds {count:,} images", where=path.name)
    return [str(label) for label in values.tolist()]


def labels_beside(path: Path, named: str | None) -> Path:
    """The file of labels: `named`, or the images' name with "labels" for "images" and idx1 for idx3 (or idx4)."""
    if named is not None:
        return path.parent / named
    name = path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    if name == path.name or not (path.parent / name).is_file():
        raise BadInput(
            "the labels of these images are not beside them",
            where=path.name,
            hint='name their file: [products.NAME.options] labels_file = "labels.idx.gz"',
        )
    return path.parent / name


def _read(path: Path) -> npt.NDArray[np.uint8]:
    with opened(path) as stream:
        content = read_all(stream, path)
    if len(content) < 4 or content[0] or content[1]:
        raise BadInput("is no idx file", where=path.name, hint=_HINT)
    if content[2] != _UINT8:
        raise BadInput(f"holds numbers of the type 0x{content[2]:02x}; only uint8 is read", where=path.name, hint=_HINT)
    start = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    if len(shape) != content[3] or len(content) - start != int(np.prod(shape, dtype=np.float64)):
        found, wanted = len(content) - start, " x ".join(map(str, shape))
        raise BadInput(
            f"its header promises {wanted} numbers, and {found:,} bytes follow",
            where=path.name,
            hint="the file is damaged or was not copied whole: fetch it again",
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
