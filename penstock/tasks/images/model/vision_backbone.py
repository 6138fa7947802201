"""A pretrained vision model as ONNX, shared by every model that stands on it: images to vectors.

It prepares images as the model's own configuration says, and knows nothing of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import Broken
from penstock.models.artifact import read_artifact
from penstock.models.backbone import usable_cores
from penstock.models.protocol import Floats
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.tasks.images.data.decode import Pixels
from penstock.tasks.images.model.network import open_session

KIND = "vision-backbone.v1"
ONNX = "model.onnx"


@dataclass(frozen=True)
class Preparation:
    """resize: (height, width) the image is stretched to, or (side,) that its shorter side gets. crop: (height, width)
    cut from its middle, or None. resample: Pillow's number of the filter."""

    resize: tuple[int, ...]
    crop: tuple[int, int] | None
    resample: int

    def __call__(self, image: Pixels) -> Pixels:
        """Any image as uint8 (height, width, 3), the same size each time."""
        from PIL import Image

        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
        height, width = self._size(picture.height, picture.width)
        picture = picture.resize((width, height), Image.Resampling(self.resample))
        if self.crop is not None:
            high, wide = self.crop
            left, top = (width - wide) // 2, (height - high) // 2
            picture = picture.crop((left, top, left + wide, top + high))  # beyond its edges it is black
        return np.asarray(picture)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if len(self.resize) == 2:
            return self.resize[0], self.resize[1]
        scale = self.resize[0] / min(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))


@dataclass(frozen=True, eq=False)
class VisionBackbone:
    """digest: its artifact. hidden: length of a vector. parity: the largest difference of a vector's component to the
    original model's, measured at export. session: from uint8 (1, height, width, 3) to vectors (1, hidden)."""

    digest: str
    hidden: int
    parity: float
    preparation: Preparation
    session: Any

    def embed(self, images: Sequence[Pixels]) -> Floats:
        """Unit vectors (n, hidden) of uint8 images, one image per run."""
        vectors = np.empty((len(images), self.hidden), dtype=np.float32)
        for row, image in enumerate(images):
            vectors[row] = self._run(image)
        return vectors

    def embed_bulk(self, images: Sequence[Pixels], progress: Progress = no_progress) -> Floats:
        """The same vectors on all cores, for training."""
        vectors = np.empty((len(images), self.hidden), dtype=np.float32)
        with ThreadPoolExecutor(usable_cores()) as threads:
            for row, vector in enumerate(threads.map(self._run, images)):
                vectors[row] = vector
                if row % 100 == 99 or row + 1 == len(images):
                    progress("embed", row + 1, len(images), "images")
        return vectors

    def _run(self, image: Pixels) -> Floats:
        vector: Floats = self.session.run(None, {"images": self.preparation(image)[None]})[0][0]
        return vector


def load_vision_backbone(blobs: BlobStore, digest: str, threads: int = 1) -> VisionBackbone:
    """The backbone of that artifact digest, every hash checked; a run uses one thread. Raises NotFound, Broken."""
    artifact = read_artifact(blobs, digest)
    if artifact.kind != KIND:
        raise Broken(f"the artifact is a {artifact.kind!r}, no vision backbone", where=f"artifact {digest[:12]}…")
    return open_vision_backbone(digest, artifact.path(ONNX), artifact.settings)


def open_vision_backbone(digest: str, model: Path | bytes, settings: Mapping[str, Any]) -> VisionBackbone:
    """A backbone from its parts. settings: hidden, parity, resize, crop, resample."""
    crop = settings["crop"]
    return VisionBackbone(
        digest=digest,
        hidden=int(settings["hidden"]),
        parity=float(settings["parity"]),
        preparation=Preparation(
            tuple(map(int, settings["resize"])),
            None if crop is None else (int(crop[0]), int(crop[1])),
            int(settings["resample"]),
        ),
        session=open_session(model, f"artifact {digest[:12]}…"),
    )
