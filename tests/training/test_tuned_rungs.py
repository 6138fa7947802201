"""full.v1 and lora.v1 on a small encoder: what was learned is what is saved, reloaded and answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train.encoder import network_of, padded, seen_words, start
from penstock.tasks.text.train.full import usual
from penstock.tasks.text.train.rows import text_rows
from penstock.training.backbones import resolve
from penstock.training.encoders import load_torch
from penstock.training.records import Trained, TrainRequest, save
from penstock.workspace.records import Backbone as Source

torch = pytest.importorskip("torch")

QUICK = {"epochs": 4, "batch": 16, "precision": "float32", "least_steps": 0, "adversarial": 0.0}


@pytest.fixture
def request_for(orders: Split, tiny_bert: Path, tmp_path: Path) -> TrainRequest:
    blobs = BlobStore(tmp_path / ".penstock" / "blobs")
    digest = resolve(Source(source=f"path:{tiny_bert}"), "tiny", blobs)
    backbone = Loader(blobs).any_backbone(digest)
    return TrainRequest(orders, backbone, blobs=blobs, recipe=QUICK)


def right(trained: Trained, orders: Split) -> float:
    answers = trained.model.predict(list(orders.texts)).argmax(axis=1)
    return float(
        np.mean([trained.model.labels[each] == label for each, label in zip(answers, orders.labels, strict=True)])
    )


@pytest.mark.parametrize(("rung", "peak"), [("full.v1", 3e-3), ("lora.v1", 1e-2)])
def test_what_was_tuned_learned_and_comes_back_the_same(
    rung: str, peak: float, request_for: TrainRequest, orders: Split
) -> None:
    frozen = installed.rungs()["frozen-linear.v1"].train(replace(request_for, recipe={}))
    trained = installed.rungs()[rung].train(replace(request_for, recipe={**QUICK, "peak": peak, "epochs": 40}))
    if rung == "full.v1":  # sixteen random numbers a token have little that matrices beside them could turn to use
        assert right(trained, orders) > right(frozen, orders)
    assert request_for.blobs is not None
    again = Loader(request_for.blobs).load(save(trained, request_for.blobs))
    assert again.kind == "encoder-linear.v1"
    texts = list(orders.texts[:20])
    assert np.array_equal(again.predict(texts), trained.model.predict(texts))
    assert trained.curves["loss"][-1][1] < trained.curves["loss"][0][1]
    assert trained.parameters["epochs"] == 40


def test_the_same_seed_gives_the_same_model(request_for: TrainRequest, orders: Split) -> None:
    one, two = (installed.rungs()["full.v1"].train(request_for) for _ in range(2))
    assert np.array_equal(one.model.predict(list(orders.texts[:9])), two.model.predict(list(orders.texts[:9])))


def test_lora_leaves_no_matrix_of_its_own_behind(request_for: TrainRequest) -> None:
    trained = installed.rungs()["lora.v1"].train(request_for)
    assert request_for.blobs is not None and trained.backbone is not None
    encoder = load_torch(request_for.blobs, Loader(request_for.blobs).backbone(trained.backbone))
    assert not [name for name, _ in encoder.module.named_parameters() if "lora" in name]


@pytest.mark.parametrize(
    ("rung", "recipe", "message"),
    [
        ("full.v1", {"rank": 4}, "unknown 'rank' in the recipe of full.v1"),
        ("lora.v1", {"rank": 0}, "rank must be a whole number from 1 to 256"),
        ("lora.v1", {"epochs": 0}, "epochs must be above 0"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(
    rung: str, recipe: dict[str, object], message: str, request_for: TrainRequest
) -> None:
    with pytest.raises(BadInput, match=message):
        installed.rungs()[rung].train(replace(request_for, recipe=recipe))


@pytest.mark.parametrize("rung", ["full.v1", "lora.v1"])
def test_tuning_without_a_backbone_is_refused(rung: str, orders: Split) -> None:
    with pytest.raises(BadInput, match="needs a backbone"):
        installed.rungs()[rung].train(TrainRequest(orders))


def test_a_blend_answers_from_both_halves_alike_alone_and_in_a_batch(request_for: TrainRequest, orders: Split) -> None:
    assert request_for.blobs is not None
    asked = replace(request_for, load=Loader(request_for.blobs).load)
    trained = installed.rungs()["blend.v1"].train(asked)
    again = Loader(request_for.blobs).load(save(trained, request_for.blobs))
    texts = list(orders.texts[::7])
    whole = again.predict(texts)
    assert np.array_equal(whole, np.concatenate([again.predict([text]) for text in texts]))
    assert np.array_equal(whole, trained.model.predict(texts))
    assert 0 <= trained.parameters["weight"] <= 0.5
    assert right(trained, orders) > 0.9  # the n-grams know these orders; the small encoder hardly does


def test_an_ensemble_is_one_model_with_the_mean_of_the_weights(request_for: TrainRequest, orders: Split) -> None:
    one = installed.rungs()["full.v1"].train(request_for)
    mean = installed.rungs()["full.v1"].train(replace(request_for, options={"ensemble": 2}))
    texts = list(orders.texts[:9])
    assert not np.array_equal(one.model.predict(texts), mean.model.predict(texts))
    assert mean.parameters["ensemble"] == 2
    assert {name: len(content) for name, content in mean.files.items()} == {
        name: len(content) for name, content in one.files.items()
    }


def test_the_fewer_the_rows_the_more_each_of_them_teaches() -> None:
    few, some, many = (usual(rows) for rows in (1_999, 2_000, 8_000))
    assert few.least_steps and not some.least_steps and not many.least_steps
    assert few.adversarial and some.adversarial and not many.adversarial


def test_what_stands_in_for_a_model_of_many_rows_learns_as_that_one_does(request_for: TrainRequest) -> None:
    trial = installed.rungs()["full.v1"].train(replace(request_for, recipe={"epochs": 0.1}, stands_for=9_000))
    assert trial.parameters == {**usual(9_000).to_json(), "epochs": 0.1, "ensemble": 1}


def test_a_store_elsewhere_knows_where_the_backbones_behind_it_came_from(
    request_for: TrainRequest, tmp_path: Path
) -> None:
    assert request_for.blobs is not None
    far = BlobStore(tmp_path / ".penstock" / "runs" / "1234", behind=request_for.blobs)
    trained = installed.rungs()["full.v1"].train(replace(request_for, blobs=far))
    assert trained.backbone is not None
    load_torch(far, Loader(far).backbone(trained.backbone))


def test_words_that_no_row_has_are_as_the_backbone_had_them(request_for: TrainRequest) -> None:
    """Neither learned nor decayed, in full.v1 as it is kept."""
    trained = installed.rungs()["full.v1"].train(replace(request_for, recipe={**QUICK, "decay": 0.5}))
    assert request_for.blobs is not None
    begun = start(request_for, text_rows(request_for), "full.v1")
    tuned = Loader(request_for.blobs).backbone(str(trained.backbone))
    before, after = (
        load_torch(request_for.blobs, each).module.model.get_input_embeddings().weight
        for each in (begun.backbone, tuned)
    )
    used = {number for row in begun.tokens for number in row}
    others = [number for number in range(1, len(before)) if number not in used]
    assert others and torch.equal(before[others], after[others])
    assert not torch.equal(before[sorted(used)], after[sorted(used)])


def test_only_the_words_of_the_rows_learn_and_the_others_stay(request_for: TrainRequest) -> None:
    begun = start(request_for, text_rows(request_for), "full.v1")
    network = network_of(load_torch(begun.blobs, begun.backbone), begun.head, 0.1).eval()
    whole = network.encoder.model.get_input_embeddings().weight
    before, expected = whole.detach().clone(), network(*padded(begun.tokens[:9]))
    with seen_words(network, begun.tokens) as tokens:
        few = network.encoder.model.get_input_embeddings().weight
        assert few.requires_grad and len(few) < len(whole)
        assert torch.equal(network(*padded(tokens[:9])), expected)
        with torch.no_grad():
            few.add_(1.0)
    assert network.encoder.model.get_input_embeddings().weight is whole
    changed = (whole != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == sorted({0, *(number for row in begun.tokens for number in row)})
