"""The rung `lora.v1`: small matrices beside the backbone's own learn, with the head; then they are merged into it.

Hu et al. 2021, arXiv 2106.09685. Merged, it answers as fast as the backbone itself, and is checked like any export.
"""

from __future__ import annotations

import time
from typing import Any

from penstock.core.errors import BadInput
from penstock.tasks.text.train.encoder import FEWEST_TO_HOLD, finish, learn, network_of, start
from penstock.tasks.text.train.rows import check_rows, text_rows
from penstock.training.encoders import load_torch
from penstock.training.extras import training_libraries
from penstock.training.loop import Recipe
from penstock.training.loop.records import check_possible
from penstock.training.onnx_export import Encoder
from penstock.training.records import Range, Space, Trained, TrainRequest

NAME = "lora.v1"
RANK = 16
RECIPE = Recipe(epochs=3.0, batch=32, peak=2e-3, smoothing=0.1, decay=0.0)
SPACE: Space = {
    "peak": Range(5e-4, 5e-3, log=True),
    "epochs": (2.0, 3.0, 5.0),
    "rank": (4, 8, 16, 32),
    "smoothing": (0.0, 0.1),
}


def train(request: TrainRequest) -> Trained:
    """Tune on the request's rows; raises as full.v1 does."""
    with training_libraries("tuning a backbone"):
        import peft  # noqa: F401
        import torch
    began = time.perf_counter()
    rank, recipe = _recipe(request)
    begun = start(request, text_rows(request), NAME)
    encoder = load_torch(begun.blobs, begun.backbone)
    with torch.random.fork_rng():
        torch.manual_seed(request.seed)
        add_lora(encoder, rank)
        network = network_of(encoder, begun.head, recipe.dropout)
        fitted = learn(request, begun, network, recipe, f"{NAME} of rank {rank}")
    merge(encoder)
    return finish(request, begun, network, recipe, fitted, NAME, {"rank": rank}, began)


def check(request: TrainRequest) -> None:
    """Raises BadInput for rows and a recipe that `train` refuses."""
    check_rows(request)
    _, recipe = _recipe(request)
    check_possible(recipe, NAME, embeds=False, holds=len(request.train) >= FEWEST_TO_HOLD)


def add_lora(encoder: Encoder, rank: int) -> None:
    """Freeze the encoder's weights and put a pair of matrices of that rank beside each linear layer."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules="all-linear")
    encoder.module.model = get_peft_model(encoder.module.model, settings)


def merge(encoder: Encoder) -> None:
    """Add what was learned to the encoder's own weights; no other matrices are left."""
    encoder.module.model = encoder.module.model.merge_and_unload()


def _recipe(request: TrainRequest) -> tuple[int, Recipe]:
    given = dict(request.recipe)
    rank = _rank(given.pop("rank", RANK))
    return rank, RECIPE.changed(given, NAME)


def _rank(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= 256:
        raise BadInput(f"rank must be a whole number from 1 to 256, not {given!r}", where=f"the recipe of {NAME}")
    return given
