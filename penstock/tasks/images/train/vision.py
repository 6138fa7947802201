"""Turns a pretrained vision model's source into a verified ONNX artifact, once; torch is needed for that only.

It finds the model, checks its sha256 before anything reads it, exports it, and compares the export with the original.
Pickle is never read and no code that comes with a model is run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core.errors import BadInput, Broken, PenstockError
from penstock.models.artifact import save_artifact
from penstock.models.protocol import Floats
from penstock.runtime.progress import Progress, no_progress
from penstock.storage.blobs import BlobStore
from penstock.tasks.images.data.decode import Pixels
from penstock.tasks.images.model.vision_backbone import KIND, ONNX, VisionBackbone, open_vision_backbone
from penstock.tasks.images.train.networks_to_onnx import MOST_DIFFERENCE, to_onnx
from penstock.training import sources
from penstock.training.exports import export_once
from penstock.training.extras import training_libraries
from penstock.workspace.records import Backbone as Source

EXPORT = 1  # raise it when an export of the same model would come out otherwise
MOST_BYTES = 1_900_000_000  # an ONNX file with its weights inside ends at 2 GiB
_READ = (sources.WEIGHTS, "config.json", "preprocessor_config.json")
_FIRST_TOKEN = ("vit", "deit", "beit", "dinov2", "dinov3", "clip", "data2vec-vision", "ijepa")
_BILINEAR = 2
_HINT = "use a vision model of transformers with config.json and model.safetensors, such as a ViT, DeiT or ResNet"


def resolve_vision(
    source: Source, name: str, blobs: BlobStore, folder: Path = Path(), progress: Progress = no_progress
) -> str:
    """The digest of the exported vision backbone `name`. folder: where relative `path:` sources begin.

    Raises BadInput for an unknown source, a hash that does not match, or a model that cannot be used; Unavailable
    when a `hub:` model cannot be fetched or training libraries are missing; Broken when the export answers otherwise.
    """
    where = f"backbones.{name}"
    return export_once(
        source,
        where,
        blobs,
        folder,
        reads=_READ,
        needed=("config.json",),
        mark=("vision", EXPORT),
        export=lambda place, sha256: _export(place, where, sha256, blobs, progress),
    )


def _export(place: Path, where: str, weights_sha256: str, blobs: BlobStore, progress: Progress) -> str:
    if (place / sources.WEIGHTS).stat().st_size > MOST_BYTES:
        raise BadInput("the model is too large: its weights must be below 1.9 GB", where=where)
    progress("backbone", 0, 3, "loading the original")
    model = _loaded(place, where)
    asked = _json(place / "preprocessor_config.json")
    settings: dict[str, Any] = {**_preparation(asked, _json(place / "config.json"), where), "parity": 0.0}
    settings["weights_sha256"] = weights_sha256
    height, width = settings["crop"] or settings["resize"]
    module = _vectors(model, asked)
    progress("backbone", 1, 3, "exporting to ONNX, once")
    try:
        settings["hidden"] = int(_run(module, np.zeros((height, width, 3), dtype=np.uint8)).shape[0])
        graph = to_onnx(module, (height, width, 3), "vectors")
        progress("backbone", 2, 3, "comparing with the original")
        settings["parity"] = _parity(module, open_vision_backbone("not saved yet", graph, settings), where)
    except PenstockError:
        raise
    except Exception as error:  # torch and transformers raise anything for a model of another make
        raise BadInput(f"the model cannot be used: {error}", where=where, hint=_HINT) from error
    digest = save_artifact(blobs, kind=KIND, labels=(), files={ONNX: graph}, settings=settings, backbone=None)
    progress("backbone", 3, 3, "done")
    return digest


def _loaded(folder: Path, where: str) -> Any:
    """The model in `folder`, from safetensors only; of one that reads text too, the part that sees."""
    with training_libraries("exporting a backbone"):
        import torch
        import transformers

    said = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # a classifier's own head is left out on purpose
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        model, loaded = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        raise BadInput(f"the model cannot be loaded: {error}", where=where, hint=_HINT) from None
    finally:
        transformers.utils.logging.set_verbosity(said)
    missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)
    if missing:
        raise BadInput(f"{len(missing)} weights are missing, the first {missing[0]!r}", where=where, hint=_HINT)
    return getattr(model, "vision_model", model).eval()


def _preparation(asked: dict[str, Any], config: dict[str, Any], where: str) -> dict[str, Any]:
    """resize, crop and resample as the model's own preparation of images has them; its config's size without one."""
    size = asked.get("size", config.get("image_size", 224))
    size = {"height": size, "width": size} if isinstance(size, int) else size
    crop = asked.get("crop_size") if asked.get("do_center_crop", False) else None
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    try:
        resize = [size["shortest_edge"]] if "shortest_edge" in size else [size["height"], size["width"]]
        cut = None if crop is None else [int(crop["height"]), int(crop["width"])]
    except (KeyError, TypeError):
        message = f"its preparation of images has the size {size!r}, which is not known"
        raise BadInput(
            message, where=where, hint='preprocessor_config.json: "size": {"height": 224, "width": 224}'
        ) from None
    if len(resize) == 1 and cut is None:
        cut = [resize[0], resize[0]]
    return {"resize": [int(side) for side in resize], "crop": cut, "resample": int(asked.get("resample", _BILINEAR))}


def _vectors(model: Any, asked: dict[str, Any]) -> Any:
    """A module from uint8 images (n, height, width, 3) to unit vectors (n, hidden), scaling inside."""
    import torch

    scale = float(asked.get("rescale_factor", 1 / 255)) if asked.get("do_rescale", True) else 1.0
    normalised = asked.get("do_normalize", True)
    mean = torch.tensor(asked.get("image_mean", [0.5] * 3) if normalised else [0.0] * 3).view(-1, 1, 1)
    deviation = torch.tensor(asked.get("image_std", [0.5] * 3) if normalised else [1.0] * 3).view(-1, 1, 1)
    first = str(model.config.model_type).startswith(_FIRST_TOKEN)

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            pixels = (images.permute(0, 3, 1, 2).float() * scale - mean) / deviation
            states = self.model(pixel_values=pixels).last_hidden_state
            if states.dim() == 4:  # a convolutional network: (n, hidden, height, width)
                vectors = states.mean(dim=(2, 3))
            else:
                vectors = states[:, 0] if first else states.mean(dim=1)
            return torch.nn.functional.normalize(vectors, dim=1)

    return Vectors().eval()


def _run(module: Any, image: Pixels) -> Floats:
    import torch

    with torch.no_grad():
        vector: Floats = module(torch.from_numpy(image[None].copy()))[0].numpy()
    return vector


def _parity(module: Any, backbone: VisionBackbone, where: str) -> float:
    """The largest difference of a vector's component between torch and the export. Raises Broken above 1e-4."""
    random = np.random.default_rng(0)
    probes = [random.integers(0, 256, shape, dtype=np.uint8) for shape in ((28, 28, 1), (300, 200, 3), (97, 401, 3))]
    probes.append(np.linspace(0, 255, 64 * 64 * 3).astype(np.uint8).reshape(64, 64, 3))
    expected = np.stack([_run(module, backbone.preparation(image)) for image in probes])
    largest = float(np.abs(backbone.embed(probes) - expected).max())
    if not largest <= MOST_DIFFERENCE:
        raise Broken(
            f"the exported backbone differs from the original by {largest:.2g}",
            where=where,
            hint=f"at most {MOST_DIFFERENCE:g} is allowed; use another model",
        )
    return largest


def _json(file: Path) -> dict[str, Any]:
    """A configuration file, {} when there is none."""
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"not valid JSON: {error}", where=str(file)) from None
    return found if isinstance(found, dict) else {}
