"""`image-classification`: one label for an image. It knows the wire and what may come over it, not the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.evaluation.classification import QUALITY, TRIVIAL, measure_classes
from penstock.evaluation.measured import Measured
from penstock.models.protocol import Floats, Model
from penstock.task import Task
from penstock.tasks.images.data.decode import MOST_PIXELS, WIRE, Pixels, content_of, decode, fitted, has_colour, size_of
from penstock.tasks.images.data.prepare import ImageOptions, labels, prepare
from penstock.tasks.images.data.rows import Pictures, of_rows
from penstock.tasks.images.model import KINDS, ImageModel, vision_backbone
from penstock.workspace.records import Product

if TYPE_CHECKING:
    from penstock.training.records import Training

TOP = 3
MOST_LABEL_CHARS = 200
MOST_PIXELS_TOGETHER = 2 * MOST_PIXELS  # of one request: a megabyte of bombs would decode for half a minute
SECTION = """\
# data: a folder per class (data/cats/1.png), an idx file, or a csv with the columns path,label
{test_line}
# backbone = "vision"              # for the last rung: a pretrained vision model, described in [backbones.vision]
# Only a candidate that meets all of these is released; a bound must hold for the whole confidence interval.
gate = {{ accuracy = ">= 0.90", latency_p95_ms = "<= 50", gross_margin = ">= 0.70" }}
# options = {{ size = [64, 64], color = "gray", flip = true }}   # by default what the files are; flip: for photos
"""


def split(rows: Sequence[Mapping[str, Any]], product: Product) -> Pictures:
    """Rows of a version as one array of images."""
    return of_rows(rows)


def inputs(pictures: Pictures) -> Sequence[Any]:
    """One image (height, width, channels) after the other."""
    return list(pictures.inputs)


def measure(model: Model, pictures: Pictures, answers: Floats, seed: int) -> Measured:
    """Accuracy first; a wrong answer is named by the file or row that it came from."""
    return measure_classes(model.labels, pictures.labels, answers, pictures.origins, seed)


def parse(found: list[Any], model: Model) -> list[Any]:
    """Each input decoded, upright, in the model's size and colours. Raises BadInput naming the first that cannot be."""
    if not isinstance(model, ImageModel):
        raise Broken(f"a model of kind {model.kind!r} reads no images")
    left = MOST_PIXELS_TOGETHER
    parsed: list[Any] = []
    for index, value in enumerate(found):
        where = f"inputs[{index}]"
        content = content_of(value, where)
        if left < WIRE.pixels:
            _check_left(content, left, where)
        pixels = decode(content, where)
        left -= pixels.shape[0] * pixels.shape[1]
        _check_colours(pixels, model, where)
        parsed.append(fitted(pixels, model.shape))
    return parsed


def render(model: Model, image: Any, probabilities: Floats) -> dict[str, Any]:
    """The likeliest label with its score, and the three likeliest; equal scores in the order of the labels."""
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [{"label": model.labels[index], "score": round(float(probabilities[index]), 6)} for index in order]
    return {"label": top[0]["label"], "score": top[0]["score"], "top": top}


def probes(model: Model) -> list[Any]:
    """Black, white, and a slope from one to the other."""
    if not isinstance(model, ImageModel):
        raise Broken(f"a model of kind {model.kind!r} reads no images")
    slope = np.linspace(0, 255, int(np.prod(model.shape))).astype(np.uint8).reshape(model.shape)
    return [np.zeros_like(slope), np.full_like(slope, 255), slope]


def correction(value: Any, text: str) -> Mapping[str, Any]:
    """The image that was answered wrongly, as it was sent, with the label it should have had.

    Decoding takes up to a second and hundreds of megabytes: `prepare` does it, not whoever records the correction.
    """
    label = text.strip()
    if not label or len(label) > MOST_LABEL_CHARS:
        hint = f"send the right label, at most {MOST_LABEL_CHARS} characters"
        raise BadInput("the correction is no label", where="correction", hint=hint)
    if not isinstance(value, str):
        raise BadInput("what was asked is no image", where="correction", hint="was the product another task's then?")
    return {"file": value, "label": label}


def make_data(folder: Path) -> None:
    """scikit-learn's 1,797 digits of 8 x 8 pixels as PNG files, a folder per class, under data/digits."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    grays = (digits.images * (255 / 16)).round().astype(np.uint8)
    for row, (image, label) in enumerate(zip(grays, digits.target.tolist(), strict=True)):
        target = folder / "data" / "digits" / str(label) / f"{row:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)


def _check_left(content: bytes, left: int, where: str) -> None:
    height, width = size_of(content, where)
    if height * width > left:
        raise BadInput(
            f"with this one the images have more than {MOST_PIXELS_TOGETHER:,} pixels together",
            where=where,
            hint="send fewer at once, or scale them down: a model sees a few hundred pixels a side at most",
        )


def _check_colours(pixels: Pixels, model: ImageModel, where: str) -> None:
    if model.shape[2] == 1 and not model.converts and has_colour(pixels):
        raise BadInput(
            "the image has colours; this model knows shades of gray only",
            where=where,
            hint="turn it into grays if its colours do not matter",
        )


_SCORED = {"type": "object", "properties": {"label": {"type": "string"}, "score": {"type": "number"}}}


def _training() -> Training:
    from penstock.tasks.images.train import TRAINING

    return TRAINING


TASK = Task(
    name="image-classification",
    unit="image",
    ladder=("pixels-linear.v1", "small-cnn.v1", "strong-cnn.v1", "frozen-vision.v1"),
    quality=QUALITY,
    trivial=TRIVIAL,
    prepare=prepare,
    labels=labels,
    split=split,
    inputs=inputs,
    measure=measure,
    parse=parse,
    render=render,
    probes=probes,
    options=ImageOptions,
    correction=correction,
    example="digits",
    make_data=make_data,
    section=SECTION,
    input_schema={"type": "string", "contentEncoding": "base64", "description": "a PNG, JPEG or WebP file in base64"},
    output_schema={
        "type": "object",
        "required": ["label", "score", "top"],
        "properties": {**_SCORED["properties"], "top": {"type": "array", "items": _SCORED}},  # type: ignore[dict-item]
    },
    uploads=True,
    form="image",
    training=_training,
    kinds=KINDS,
    backbones={vision_backbone.KIND: vision_backbone.load_vision_backbone},
)
