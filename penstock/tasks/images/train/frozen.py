"""The rung `frozen-vision.v1`: a frozen vision model's vectors, embedded once, and a softmax head."""

from __future__ import annotations

import time

import numpy as np

from penstock.core.errors import BadInput, Broken
from penstock.models.protocol import Parts
from penstock.tasks.images.model import frozen_vision as model_kind
from penstock.tasks.images.model.vision_backbone import VisionBackbone
from penstock.tasks.images.train.heads import choose_head
from penstock.tasks.images.train.rows import form_of, numbered
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def train(request: TrainRequest) -> Trained:
    """Fit on the request's images.

    Raises BadInput for images that cannot train or without a backbone, Unavailable without scipy, Broken for vectors
    that are not finite.
    """
    with training_libraries("training on a backbone"):
        import scipy.optimize  # noqa: F401
    began = time.perf_counter()
    backbone = request.backbone
    if not isinstance(backbone, VisionBackbone):
        raise BadInput(
            "this rung needs a vision backbone",
            where=model_kind.KIND,
            hint='name one in penstock.toml: backbone = "vision", described in [backbones.vision]',
        )
    labels, truth = numbered(request.train)
    vectors = backbone.embed_bulk(request.train.inputs, request.progress)
    if not np.isfinite(vectors).all():
        raise Broken(
            "the backbone gave vectors that are not finite",
            where=f"backbone {backbone.digest[:12]}…",
            hint="its weights are damaged or do not fit its configuration: use another backbone",
        )
    chosen = choose_head(vectors, truth, len(labels), STRENGTHS, request.seed, request.progress)
    files = model_kind.to_files(chosen.head.weights, chosen.head.bias)
    settings = {
        **form_of(request, chosen.temperature).settings(),
        "strength": chosen.head.strength,
        "seed": request.seed,
        "rows": len(truth),
    }
    return Trained(
        model=model_kind.open_parts(Parts(labels, settings, files.__getitem__, "the trained model", backbone)),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        backbone=backbone.digest,
        notes=(f"vectors of {backbone.hidden} numbers", *chosen.notes()),
    )
