"""The rung `pixels-linear.v1`: multinomial logistic regression on pixels; what anything dearer has to beat."""

from __future__ import annotations

import time

from penstock.models.protocol import Parts
from penstock.tasks.images.model import pixels_linear as model_kind
from penstock.tasks.images.train.heads import choose_head
from penstock.tasks.images.train.rows import form_of, numbered
from penstock.training.extras import training_libraries
from penstock.training.records import Trained, TrainRequest

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def train(request: TrainRequest) -> Trained:
    """Fit on the request's images. Raises BadInput for images that cannot train, Unavailable without scipy."""
    with training_libraries("training on pixels"):
        import scipy.optimize  # noqa: F401
    began = time.perf_counter()
    labels, truth = numbered(request.train)
    request.progress("train", 0, len(STRENGTHS) + 1, "reading pixels")
    values = model_kind.values_of(request.train.inputs)
    chosen = choose_head(values, truth, len(labels), STRENGTHS, request.seed, request.progress)
    files = model_kind.to_files(chosen.head.weights, chosen.head.bias)
    settings = {
        **form_of(request, chosen.temperature).settings(),
        "strength": chosen.head.strength,
        "seed": request.seed,
        "rows": len(truth),
    }
    return Trained(
        model=model_kind.open_parts(Parts(labels, settings, files.__getitem__, "the trained model")),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=(f"{values.shape[1]:,} values an image", *chosen.notes()),
    )
