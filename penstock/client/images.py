"""Image classification for customers' programs: builds the inputs from files or bytes, reads the answers."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.client.core import Call, Prediction, listed, predict_as


@dataclass(frozen=True)
class Scored:
    """A label and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class ImageAnswer:
    """The likeliest label of one image, its probability, and the likeliest few, the first of them the same."""

    label: str
    score: float
    top: tuple[Scored, ...]

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> ImageAnswer:
        """One of `Prediction.outputs`."""
        top = tuple(Scored(each["label"], float(each["score"])) for each in output["top"])
        return cls(output["label"], float(output["score"]), top)


def pictures(
    product: str, images: bytes | str | Path | Iterable[bytes | str | Path], request_id: str | None = None
) -> Call[Prediction[ImageAnswer]]:
    """The call that classifies: `client.ask(images.pictures("digits", ["three.png"]))`."""
    return predict_as(ImageAnswer.from_output, product, image_inputs(images), request_id)


def image_inputs(images: bytes | str | Path | Iterable[bytes | str | Path]) -> list[str]:
    """Inputs of images: the bytes of PNG, JPEG or WebP files, or the files' paths. Raises OSError like open()."""
    kinds = (bytes, str, Path)
    each = listed(images, kinds, "images", each=kinds)
    contents = (image if isinstance(image, bytes) else Path(image).read_bytes() for image in each)
    return [base64.b64encode(content).decode("ascii") for content in contents]
