"""What the rungs for images give: calibrated models that answer the same saved, exported, alone and in any batch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput, Broken, Unavailable
from penstock.models.artifact import read_artifact
from penstock.models.protocol import Model, Parts
from penstock.storage.blobs import BlobStore
from penstock.tasks.images.data.rows import Pictures
from penstock.tasks.images.model import KINDS, ImageModel
from penstock.tasks.images.train import RUNGS, cnn
from penstock.tasks.images.train.rows import held_out, held_temperature
from penstock.training.records import Trained, TrainRequest, save

NAMES = ("pixels-linear.v1", "small-cnn.v1", "strong-cnn.v1")


def shapes(count: int, seed: int, size: tuple[int, int] = (14, 12)) -> Pictures:
    """Noisy images of a bright bar that lies, stands or is a blot."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, *size, 1), dtype=np.uint8)
    labels = []
    for row, image in enumerate(images):
        label = ("blot", "lying", "standing")[row % 3]
        height, width = {"blot": (3, 3), "lying": (2, 7), "standing": (7, 2)}[label]
        top, left = random.integers(0, size[0] - height), random.integers(0, size[1] - width)
        image[top : top + height, left : left + width] += 140
        labels.append(label)
    return Pictures(images, tuple(labels), tuple(f"{row}.png" for row in range(count)))


TRAIN, TEST = shapes(360, 0), shapes(90, 1)


def train(name: str, pictures: Pictures = TRAIN, **fields: Any) -> Trained:
    rung = next(rung for rung in RUNGS if rung.name == name)
    return rung.train(TrainRequest(train=pictures, **fields))


def reload(trained: Trained, blobs: BlobStore) -> Model:
    artifact = read_artifact(blobs, save(trained, blobs))
    parts = Parts(artifact.labels, artifact.settings, artifact.read, "test", None, artifact.path)
    return KINDS[artifact.kind](parts)


def accuracy(model: Model, pictures: Pictures) -> float:
    best = model.predict(list(pictures.inputs)).argmax(axis=1)
    return float(np.mean([model.labels[i] == label for i, label in zip(best, pictures.labels, strict=True)]))


@pytest.fixture(autouse=True, scope="module")
def short_recipes() -> Iterator[None]:
    """Fewer steps than for real, on one thread: small tensors gain nothing from a second."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cnn, "SMALL", replace(cnn.SMALL, least_steps=120))
        patch.setattr(cnn, "STRONG", replace(cnn.STRONG, epochs=1, least_steps=120))
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def all_trained(short_recipes: None) -> dict[str, Trained]:
    return {name: train(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_saved_and_reloaded_answers_the_same_bits(
    all_trained: dict[str, Trained], name: str, blobs: BlobStore
) -> None:
    trained = all_trained[name]
    reloaded = reload(trained, blobs)
    assert isinstance(reloaded, ImageModel)
    assert (reloaded.kind, reloaded.labels, reloaded.shape) == (name, ("blot", "lying", "standing"), (14, 12, 1))
    images = list(TEST.inputs)
    assert reloaded.predict(images).tobytes() == trained.model.predict(images).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_the_same_bits_alone_in_any_batch_and_from_any_thread(
    all_trained: dict[str, Trained], name: str
) -> None:
    model, images = all_trained[name].model, list(TEST.inputs)
    together = model.predict(images)
    assert together.tobytes() == np.concatenate([model.predict([image]) for image in images]).tobytes()
    assert together[::-1].tobytes() == model.predict(images[::-1]).tobytes()
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda image: model.predict([image]), images))
    assert np.concatenate(answers).tobytes() == together.tobytes()
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.predict([]).shape == (0, 3)


def test_networks_see_what_a_linear_model_cannot(all_trained: dict[str, Trained]) -> None:
    reached = {name: accuracy(trained.model, TEST) for name, trained in all_trained.items()}
    assert reached["pixels-linear.v1"] < 0.9 < reached["small-cnn.v1"]
    assert reached["strong-cnn.v1"] > 0.95


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_export_answers_as_the_original(all_trained: dict[str, Trained], name: str) -> None:
    trained = all_trained[name]
    assert 0 < trained.settings["parity"] <= 1e-4
    assert list(trained.files) == ["model.onnx"]
    assert trained.seconds > 0 and trained.notes


def test_the_same_seed_gives_the_same_model() -> None:
    few = shapes(60, 3)
    first, second = train("small-cnn.v1", few, seed=4), train("small-cnn.v1", few, seed=4)
    assert first.model.predict(list(TEST.inputs)).tobytes() == second.model.predict(list(TEST.inputs)).tobytes()
    other = train("small-cnn.v1", few, seed=5)
    assert first.model.predict(list(TEST.inputs)).tobytes() != other.model.predict(list(TEST.inputs)).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_colour_images_of_any_size_are_learned_from_few_rows(name: str, blobs: BlobStore) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 50, 90, 3), dtype=np.uint8)
    images[::2, :, :, 0] = 255
    pictures = Pictures(images, ("red", "other") * 4, ("",) * 8)
    trained = train(name, pictures, options={"flip": True})
    assert reload(trained, blobs).predict(list(images)).shape == (8, 2)
    assert accuracy(trained.model, pictures) == 1


def test_an_image_of_another_size_is_brought_to_the_models(all_trained: dict[str, Trained]) -> None:
    larger = np.repeat(np.repeat(TEST.inputs[0], 2, axis=0), 2, axis=1)
    assert all_trained["small-cnn.v1"].model.predict([larger]).shape == (1, 3)


def test_a_graph_for_other_images_is_refused(all_trained: dict[str, Trained]) -> None:
    trained = all_trained["small-cnn.v1"]
    settings = {**trained.settings, "shape": [28, 28, 1]}
    parts = Parts(trained.model.labels, settings, trained.files.__getitem__, "artifact abc")
    with pytest.raises(Broken, match="the graph reads"):
        KINDS["small-cnn.v1"](parts)


def test_labels_that_cannot_be_learned_are_refused() -> None:
    images = np.zeros((3, 8, 8, 1), dtype=np.uint8)
    for labels in (("a", "a", "a"), ("a", "a", "b")):
        with pytest.raises(BadInput):
            train("small-cnn.v1", Pictures(images, labels, ("",) * 3))


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unavailable, match="torch"):
        train("small-cnn.v1")


def test_held_out_rows_are_a_tenth_of_each_class_and_2000_at_most() -> None:
    truth = np.repeat([0, 1, 2], [100, 50, 5])
    kept, held = held_out(truth, seed=0)
    assert np.bincount(truth[held], minlength=3).tolist() == [10, 5, 0]
    assert sorted([*kept, *held]) == list(range(155))
    assert len(held_out(np.zeros(60_000, dtype=np.int64), seed=0)[1]) == 2_000


def test_a_faultless_network_is_not_told_to_be_certain() -> None:
    scores = np.tile(np.array([3.0, 0.0, 0.0], dtype=np.float32), (100, 1))
    assert 0.4 < held_temperature(scores, np.zeros(100, dtype=np.int64)) < 1.5
