"""What the rung `private-linear.v1` promises: bounded rows, secret noise, an epsilon that is met, nothing unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("opacus")

from penstock.core.errors import BadInput
from penstock.datasets.privacy import Privacy
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Split, split_of
from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train.private import Plan, clipped_sum, descend, plan_for, train
from penstock.training.records import Trained, TrainRequest, save

EIGHT = {"privacy": {"epsilon": 8.0}}


@pytest.fixture(scope="module")
def backbone(minilm: tuple[BlobStore, str]) -> Backbone:
    return Loader(minilm[0]).backbone(minilm[1])


def trained(split: Split, backbone: Backbone, **options: Any) -> Trained:
    return train(TrainRequest(train=split, backbone=backbone, options=options))


def gradient_of(row: np.ndarray, label: int, weights: np.ndarray) -> np.ndarray:
    scores = np.exp(row @ weights)
    errors = scores / scores.sum()
    errors[label] -= 1
    return np.outer(row, errors)


def test_no_row_moves_a_step_by_more_than_the_clip() -> None:
    draw = np.random.default_rng(0)
    inputs = (draw.normal(size=(40, 7)) * draw.uniform(0.01, 50, size=(40, 1))).astype(np.float32)
    truth, weights = draw.integers(0, 3, 40), draw.normal(size=(7, 3))
    whole = clipped_sum(inputs, truth, weights, 0.5)
    for row in range(40):
        others = np.arange(40) != row
        assert np.linalg.norm(whole - clipped_sum(inputs[others], truth[others], weights, 0.5)) <= 0.5001


def test_rows_below_the_clip_count_as_they_are() -> None:
    draw = np.random.default_rng(1)
    inputs, truth = draw.normal(size=(20, 5)).astype(np.float32), draw.integers(0, 4, 20)
    weights = draw.normal(size=(5, 4))
    expected = sum(gradient_of(row, label, weights) for row, label in zip(inputs, truth, strict=True))
    assert np.allclose(clipped_sum(inputs, truth, weights, 100.0), expected, atol=1e-4)


def test_a_step_carries_the_noise_that_the_plan_states() -> None:
    plan = Plan(1.0, 1e-5, clip=0.5, noise=3.0, rate=0.25, steps=2, step_size=1.0, accountant="rdp")
    nothing = np.zeros((100, 4_000), dtype=np.float32)  # only the bias has a gradient: the weights are noise alone
    weights, _ = descend(nothing, np.arange(100) % 3, 3, plan, no_progress)
    one_step = 0.5 * 3.0 / (0.25 * 100)
    expected = one_step * np.sqrt(1.9**2 + 1)  # the last half of two steps: the first moves it again by momentum
    assert weights.std() == pytest.approx(expected, rel=0.05)
    assert abs(weights.mean()) < 5 * expected / np.sqrt(weights.size)


def test_the_noise_is_never_the_same_twice() -> None:
    plan = Plan(1.0, 1e-5, clip=1.0, noise=1.0, rate=0.5, steps=1, step_size=1.0, accountant="rdp")
    rows = np.ones((10, 4), dtype=np.float32)
    first, second = (descend(rows, np.arange(10) % 2, 2, plan, no_progress)[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_less_epsilon_needs_more_noise_and_what_is_stated_is_never_exceeded() -> None:
    plans = [plan_for(Privacy(epsilon=epsilon), rows=2_000, weights=3_000) for epsilon in (0.5, 3.0)]
    assert plans[0].noise > plans[1].noise > 0.5
    assert all(0.9 * told < plan.epsilon <= told for plan, told in zip(plans, (0.5, 3.0), strict=True))


def test_an_epsilon_that_cannot_be_met_is_refused_with_what_can_be() -> None:
    with pytest.raises(BadInput, match="cannot be met") as refused:
        plan_for(Privacy(epsilon=1e-6), rows=500, weights=1_000)
    assert "the least that can be" in refused.value.hint


def test_a_delta_that_promises_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="could simply be told") as refused:
        plan_for(Privacy(epsilon=1.0, delta=1e-3), rows=1_000, weights=10)
    assert "1e-04" in refused.value.hint


def test_four_intents_of_banking77_under_epsilon_8(
    shared_data: Path, backbone: Backbone, minilm: tuple[BlobStore, str]
) -> None:
    asked, tested = (read_rows(shared_data / "banking77" / f"{part}.csv.gz", {}) for part in ("train", "test"))
    intents = ["card_arrival", "exchange_rate", "top_up_failed", "lost_or_stolen_card"]
    model = trained(split_of([row for row in asked if row.label in intents]), backbone, **EIGHT)
    test = split_of([row for row in tested if row.label in intents])
    reloaded = Loader(minilm[0]).load(save(model, minilm[0]))
    answers = reloaded.predict(test.texts)
    right = answers.argmax(axis=1) == [reloaded.labels.index(label) for label in test.labels]
    assert right.mean() >= 0.85
    assert 0 < model.facts["epsilon"] <= 8
    assert model.parameters["delta"] == 1e-5
    assert "differential privacy of one training row" in model.notes[0]


def test_labels_stated_beforehand_are_those_of_the_model(orders: Split, backbone: Backbone) -> None:
    stated = {"epsilon": 8.0, "labels": ["track", "cancel", "refund", "praise"]}
    model = trained(orders, backbone, privacy=stated).model
    assert model.labels == ("cancel", "praise", "refund", "track")
    with pytest.raises(BadInput, match=r"'refund' is not in privacy\.labels"):
        trained(orders, backbone, privacy={"epsilon": 8.0, "labels": ["track", "cancel"]})


@pytest.mark.parametrize(
    ("option", "value"), [("augment", 0.5), ("suspect_labels", "remove"), ("class_weights", "balanced")]
)
def test_what_would_cost_privacy_unseen_is_refused(
    orders: Split, backbone: Backbone, option: str, value: object
) -> None:
    with pytest.raises(BadInput, match=f"{option} would cost privacy that epsilon does not count"):
        trained(orders, backbone, **EIGHT, **{option: value})


def test_numbers_found_by_a_search_are_refused(orders: Split, backbone: Backbone) -> None:
    with pytest.raises(BadInput, match="takes no recipe"):
        train(TrainRequest(train=orders, backbone=backbone, options=EIGHT, recipe={"steps": 10}))


def test_without_stated_privacy_it_asks_for_it(orders: Split, backbone: Backbone) -> None:
    with pytest.raises(BadInput, match="how much privacy") as refused:
        trained(orders, backbone)
    assert "privacy = { epsilon = 8.0 }" in refused.value.hint
