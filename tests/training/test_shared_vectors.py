"""Evaluation of models on one backbone: vectors once, and parity all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import installed
from penstock.datasets.rows import Split
from penstock.evaluation.classification import measure_classes
from penstock.evaluation.evaluate import Exam, Examinee, Terms, evaluate
from penstock.evaluation.report import Report
from penstock.loader import Loader
from penstock.models.vectors import in_bulk
from penstock.runtime.progress import no_progress
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model.frozen_linear import FrozenLinear
from penstock.training.backbones import resolve
from penstock.training.records import TrainRequest, save
from penstock.workspace.records import Backbone as Source
from penstock.workspace.records import Costs, Price

PRICE = Price.model_validate({"tiers": [{"unit_price": "0.0040"}]})


@pytest.fixture
def pair(orders: Split, tiny_bert: Path, blobs: BlobStore) -> tuple[FrozenLinear, FrozenLinear]:
    """A trained model, and the same as it is loaded, each with a session of its own."""
    digest = resolve(Source(source=f"path:{tiny_bert.name}"), "own", blobs, tiny_bert.parent)
    trained = installed.rungs()["frozen-linear.v1"].train(
        TrainRequest(train=orders, backbone=Loader(blobs).backbone(digest))
    )
    model, reloaded = trained.model, Loader(blobs).load(save(trained, blobs))
    assert isinstance(model, FrozenLinear) and isinstance(reloaded, FrozenLinear)
    return model, reloaded


def measured(model: Any, reloaded: Any, test: Split) -> Report:
    return evaluate(
        Examinee(model, reloaded),
        Exam(
            test.inputs,
            lambda judged, answers, seed: measure_classes(judged.labels, test.labels, answers, test.texts, seed),
            "r",
        ),
        Terms(PRICE, Costs()),
        progress=no_progress,
    )


def test_the_test_is_embedded_once_for_the_trained_and_the_reloaded(
    pair: tuple[FrozenLinear, FrozenLinear], orders: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, reloaded = pair
    asked: list[int] = []
    plain = type(model.backbone).embed_bulk

    def counted(self: Any, texts: Sequence[str], *more: Any) -> Any:
        asked.append(len(texts))
        return plain(self, texts, *more)

    monkeypatch.setattr(type(model.backbone), "embed_bulk", counted)
    found = measured(model, reloaded, orders)
    assert asked == [len(orders)]
    assert found.parity.holds and found.parity.trained_reloaded.rows == len(orders)
    right = reloaded.predict(orders.texts).argmax(axis=1) == [reloaded.labels.index(label) for label in orders.labels]
    assert found.quality["accuracy"].value == pytest.approx(float(right.mean()))


def test_a_head_that_changed_on_its_way_is_seen_on_every_row(
    pair: tuple[FrozenLinear, FrozenLinear], orders: Split
) -> None:
    model, reloaded = pair
    spoilt = replace(reloaded, temperature=reloaded.temperature * 1.5)
    assert not measured(model, spoilt, orders).parity.holds


def test_an_encoder_that_serves_otherwise_is_seen(
    pair: tuple[FrozenLinear, FrozenLinear], orders: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bulk vectors are right, those that customers get are not."""
    model, reloaded = pair
    plain = type(model.backbone).embed
    monkeypatch.setattr(type(model.backbone), "embed", lambda self, texts: np.roll(plain(self, texts), 7, axis=1))
    found = measured(model, reloaded, orders)
    assert not found.parity.single_batch.holds and not found.parity.holds


def test_bulk_answers_are_those_that_are_served(pair: tuple[FrozenLinear, FrozenLinear], orders: Split) -> None:
    _, reloaded = pair
    assert np.abs(in_bulk(reloaded, orders.texts) - reloaded.predict(orders.texts)).max() <= 1e-5
