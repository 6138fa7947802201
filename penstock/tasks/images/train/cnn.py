"""The rungs `small-cnn.v1` and `strong-cnn.v1`: the same loop, two networks, two recipes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.models.protocol import Floats, Integers, Parts
from penstock.tasks.images.model import network as model_kind
from penstock.tasks.images.train import networks
from penstock.tasks.images.train.augment import Views
from penstock.tasks.images.train.loop import Bytes, Learned, learn
from penstock.tasks.images.train.networks_to_onnx import largest_difference, to_onnx
from penstock.tasks.images.train.rows import LEAST_HELD, form_of, held_out, held_temperature, numbered
from penstock.training.extras import training_libraries
from penstock.training.loop import Recipe
from penstock.training.records import Trained, TrainRequest

SMALL = Recipe(epochs=3, batch=256, peak=0.01, warm=0.25, dropout=0.0, clip=0.0, least_steps=300)
STRONG = replace(SMALL, epochs=8, smoothing=0.05, least_steps=600)
PARITY_ROWS = 200


def train_small(request: TrainRequest) -> Trained:
    """Fit the small network. Raises BadInput for images that cannot train, Unavailable without torch."""
    return _train(request, model_kind.SMALL, networks.small, SMALL, None)


def train_strong(request: TrainRequest) -> Trained:
    """Fit the strong network on random views of the images. Raises like train_small."""
    views = Views(flip=bool(request.options.get("flip", False)))
    return _train(request, model_kind.STRONG, networks.strong, STRONG, views)


def _train(request: TrainRequest, kind: str, make: Callable[..., Any], usual: Recipe, views: Views | None) -> Trained:
    with training_libraries("training a network"):
        import torch
    began = time.perf_counter()
    recipe = usual.changed(request.recipe, kind)
    labels, truth = numbered(request.train)
    images: Bytes = request.train.inputs
    kept, held = held_out(truth, request.seed)
    height, width, channels = request.train.shape
    statistics = networks.channel_statistics(images)
    with torch.random.fork_rng():
        torch.manual_seed(request.seed)
        network = make(networks.Shape(height, width, channels, len(labels)), *statistics)
        fitted = learn(request, network, Learned(images, truth, kept, views), recipe, kind)
    request.progress("export", 0, 1, "to ONNX")
    files = {model_kind.ONNX: to_onnx(network, request.train.shape, "scores")}
    settings: dict[str, Any] = {**form_of(request, 1.0).settings(), "seed": request.seed, "rows": len(kept)}

    def opened() -> model_kind.Network:
        return model_kind.open_parts(kind, Parts(labels, settings, files.__getitem__, "the trained model"))

    probes = held if len(held) else np.arange(min(PARITY_ROWS, len(truth)))
    uncalibrated = opened()
    exported = np.stack([uncalibrated.scores(image) for image in images[probes]])
    settings["temperature"] = held_temperature(exported[: len(held)], truth[held])
    original = _scores(network, images[probes])
    settings["parity"] = largest_difference(original, exported, settings["temperature"], kind)
    return Trained(
        model=opened(),
        files=files,
        settings=settings,
        seconds=time.perf_counter() - began,
        notes=(
            f"{sum(weights.numel() for weights in network.parameters()):,} weights, {fitted.steps:,} steps",
            *_held_notes(exported, truth[held], settings["temperature"]),
            f"ONNX answers as torch within {settings['parity']:.1g}",
            *fitted.notes,
        ),
        parameters=recipe.to_json(),
        curves=fitted.curves,
    )


def _held_notes(scores: Floats, truth: Integers, temperature: float) -> tuple[str, ...]:
    if len(truth) < LEAST_HELD:
        return ("too few rows to hold any out: the scores are not calibrated",)
    accuracy = float((scores.argmax(axis=1) == truth).mean())
    return (f"temperature {temperature:.3g}, fitted on {len(truth):,} held-out rows (accuracy {accuracy:.4f})",)


def _scores(network: Any, images: Bytes) -> Floats:
    """What the network itself answers (n, labels), in float32."""
    import torch

    with torch.no_grad():
        parts = [network(torch.from_numpy(images[start : start + 256])) for start in range(0, len(images), 256)]
    scores: Floats = torch.cat(parts).numpy()
    return scores
