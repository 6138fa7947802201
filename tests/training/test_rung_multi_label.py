"""What the rungs give for texts with any number of labels: probabilities, thresholds, and a model that comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput, Broken
from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.models.protocol import Parts, given, thresholds_of
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.data.label_sets import LabelledSets
from penstock.tasks.text.model import explain
from penstock.tasks.text.model.multi_label import NgramMultiLabel, ngram_files, open_ngram
from penstock.tasks.text.train.multi_label.calibration import calibrate
from penstock.tasks.text.train.multi_label.frozen import sigmoid_objective
from penstock.tasks.text.train.multi_label.rows import set_folds, set_rows
from penstock.training.records import Trained, TrainRequest, save

WORDS = {
    "bill": ("the invoice is wrong", "charged my card twice", "账单不对"),
    "late": ("the parcel is late", "my order never came", "快递没有到"),
    "login": ("I cannot log in", "the password is refused", "登录不了"),
}
SETS = ((), ("bill",), ("late",), ("login",), ("bill", "late"), ("late", "login"), ("bill", "late", "login"))


@cache
def messages(count: int = 126) -> LabelledSets:
    """Distinct messages that speak of each of their labels."""
    texts, labels = [], []
    for n in range(count):
        own = SETS[n % len(SETS)]
        spoken = [WORDS[label][(n // len(SETS)) % 3] for label in own] or ["good morning, have a nice day"]
        texts.append(f"{' and '.join(spoken)}, number {n}")
        labels.append(own)
    return LabelledSets(tuple(texts), tuple(labels))


@cache
def ngrams() -> Trained:
    return installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=messages()))


def answered(model: Any, texts: Sequence[str]) -> list[set[str]]:
    flags = given(model, model.predict(texts))
    return [{label for label, flag in zip(model.labels, row, strict=True) if flag} for row in flags]


def test_each_label_is_given_for_itself_and_none_where_none_fits(blobs: BlobStore) -> None:
    model = ngrams().model
    asked = ["the parcel is late and I cannot log in, please", "账单不对", "have a nice day", "charged my card twice"]
    assert answered(model, asked) == [{"late", "login"}, {"bill"}, set(), {"bill"}]
    assert (model.kind, model.labels) == ("ngram-multi-label.v1", ("bill", "late", "login"))
    assert any("held-out training rows" in note for note in ngrams().notes)
    loaded = Loader(blobs).load(save(ngrams(), blobs))
    assert loaded.predict(asked).tobytes() == model.predict(asked).tobytes()
    assert np.array_equal(thresholds_of(loaded), thresholds_of(model))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_artifact(blobs: BlobStore) -> None:
    again = installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=messages()))
    assert save(again, blobs) == save(ngrams(), blobs)


def test_an_answer_does_not_depend_on_its_batch() -> None:
    texts, model = messages().texts, ngrams().model
    alone = np.concatenate([model.predict([text]) for text in texts])
    assert alone.tobytes() == model.predict(texts).tobytes()


def test_words_explain_the_label_that_they_speak_for() -> None:
    text, model = "the parcel is late and I cannot log in", ngrams().model
    for label, words in (("late", ("parcel",)), ("login", ("cannot", "log"))):
        parts = explain.explain(model, text, model.labels.index(label))
        weights = {text[part.start : part.end]: part.weight for part in parts}
        assert max(weights, key=lambda each: weights[each]) in words
        assert isinstance(model, NgramMultiLabel)
        logit = float(model.scores(text)[model.labels.index(label)])
        assert sum(weights.values()) + float(model.bias[model.labels.index(label)]) == pytest.approx(logit, abs=1e-3)
        taken_out = explain.occlusion(model, text, model.labels.index(label))
        assert max(taken_out, key=lambda part: part.weight).weight > 0


def test_a_model_whose_thresholds_do_not_fit_is_refused() -> None:
    trained = ngrams()
    altered: Any = dataclasses.replace(trained.model, thresholds=np.zeros(3, dtype=np.float32))  # type: ignore[type-var]
    files = ngram_files(altered.vocabulary, altered.weights, altered.bias, altered.thresholds)
    with pytest.raises(Broken, match="thresholds"):
        open_ngram(Parts(trained.model.labels, {}, files.__getitem__, "an artifact"))


def test_the_frozen_rung_learns_them_on_an_encoder_s_vectors(minilm: tuple[BlobStore, str]) -> None:
    backbone = Loader(minilm[0]).backbone(minilm[1])
    assert isinstance(backbone, Backbone)
    english = [n for n in range(126) if (n // 7) % 3 < 2]
    rows = LabelledSets(tuple(messages().texts[n] for n in english), tuple(messages().labels[n] for n in english))
    trained = installed.rungs()["frozen-linear.v1"].train(TrainRequest(train=rows, backbone=backbone))
    asked = ["my parcel has still not arrived and my password does not work", "hello, what a lovely morning"]
    assert answered(trained.model, asked) == [{"late", "login"}, set()]
    loaded = Loader(minilm[0]).load(save(trained, minilm[0]))
    assert loaded.kind == "frozen-multi-label.v1"
    assert np.abs(loaded.predict(asked) - trained.model.predict(asked)).max() <= 1e-6
    assert max(explain.explain(loaded, asked[0], 1), key=lambda part: part.weight).weight > 0


def test_without_a_backbone_it_says_where_to_name_one() -> None:
    with pytest.raises(BadInput, match="needs a backbone"):
        installed.rungs()["frozen-linear.v1"].train(TrainRequest(train=messages()))


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([(), (), ()], "no row has a label"),
        ([("a",), (), ()], "1 of 3 rows have the label 'a'"),
        ([("a",), ("a", "b"), ("a", "b"), ("a",), ()], "4 of 5 rows have the label 'a'"),
        ([tuple(f"l{n}" for n in range(1_001))] * 4, "1,001 labels are more than the 1,000"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_check_and_train(labels: list[tuple[str, ...]], why: str) -> None:
    request = TrainRequest(train=LabelledSets(tuple(f"text {n}" for n in range(len(labels))), tuple(labels)))
    for rung in ("ngram-linear.v1", "frozen-linear.v1"):
        with pytest.raises(BadInput, match=why):
            installed.rungs()[rung].check(request)


def test_folds_hold_every_label_evenly_and_every_row_once() -> None:
    rows = set_rows(TrainRequest(train=messages()))
    parts = set_folds(rows.truth, 5, seed=3)
    assert len(parts) == 5
    assert sorted(np.concatenate([held for _, held in parts]).tolist()) == list(range(len(rows)))
    for kept, held in parts:
        assert not set(kept.tolist()) & set(held.tolist())
        assert np.abs(rows.truth[held].mean(axis=0) - rows.truth.mean(axis=0)).max() < 0.05
    rare = np.zeros((40, 2), dtype=np.bool_)
    rare[:20, 0], rare[3:5, 1] = True, True
    assert [held[rare[held, 1]].size for _, held in set_folds(rare, 5, seed=0)] == [1, 1]


def test_scores_become_probabilities_and_thresholds_that_serve_micro_f1() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random((4_000, 3)) < np.array([0.4, 0.1, 0.02])
    scores = 3 * truth + draw.normal(size=truth.shape) - np.array([2.0, 0.0, 5.0])  # each with an offset of its own
    found = calibrate(scores[:2_000], truth[:2_000])
    probabilities = 1 / (1 + np.exp(-(scores[2_000:] * found.slopes + found.offsets)))
    for label in range(3):
        sure = probabilities[:, label] > 0.5
        assert abs(truth[2_000:][sure, label].mean() - probabilities[sure, label].mean()) < 0.1
    flags = probabilities >= found.thresholds
    f1 = 2 * (flags & truth[2_000:]).sum() / (flags.sum() + truth[2_000:].sum())
    even = probabilities >= 0.5
    assert f1 >= 2 * (even & truth[2_000:]).sum() / (even.sum() + truth[2_000:].sum()) - 0.01
    assert abs(f1 - found.micro_f1) < 0.05 and (found.thresholds > 0).all()


def test_scores_that_say_nothing_give_each_label_its_share() -> None:
    truth = np.arange(300)[:, None] % 10 < np.array([[1, 5]])
    found = calibrate(np.zeros((300, 2)), truth)
    assert np.allclose(1 / (1 + np.exp(-found.offsets)), [0.1, 0.5], atol=0.01)
    with pytest.raises(Broken, match="not finite"):
        calibrate(np.full((300, 2), np.nan), truth)


def test_the_gradient_is_that_of_the_loss() -> None:
    draw = np.random.default_rng(1)
    inputs, truth = draw.normal(size=(12, 4)).astype(np.float32), draw.random((12, 3)) < 0.5
    objective = sigmoid_objective(inputs, truth, 3, np.full((4, 1), 0.1), None)
    point, step = draw.normal(size=12), 1e-3
    _, gradient = objective(point)
    for at in range(12):
        near = [objective(point + side * step * (np.arange(12) == at))[0] for side in (1, -1)]
        assert (near[0] - near[1]) / (2 * step) == pytest.approx(gradient[at], abs=2e-3)
