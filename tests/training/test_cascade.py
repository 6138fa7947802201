"""Two models as one: the cheap one answers where it is sure, and little accuracy is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import installed
from penstock.core.errors import BadInput, Broken, Conflict
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.backbone import load_backbone
from penstock.models.protocol import Model
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.compress.cascade import _choose, _folds, _Half, _held_out, _HeldOut
from penstock.tasks.text.model.cascade import Cascade
from penstock.training.compress.records import CompressRequest
from penstock.training.records import Trained, TrainRequest, save


class Halves:
    """n-grams (cheap) and the real encoder (dear) over the orders, kept, and how each is trained again."""

    def __init__(self, orders: Split, minilm: tuple[BlobStore, str]) -> None:
        self.orders, self.blobs = orders, minilm[0]
        self.encoder = load_backbone(*minilm)
        self.load = Loader(self.blobs).load
        self.seen: list[Split] = []
        self.cheap, self.dear = (save(self.train(rung, orders), self.blobs) for rung in ("ngram", "frozen"))

    def train(self, rung: str, rows: Split) -> Trained:
        request = TrainRequest(train=rows, backbone=self.encoder if rung == "frozen" else None)
        return installed.rungs()[f"{rung}-linear.v1"].train(request)

    def again(self, artifact: str, rows: Split) -> Model:
        self.seen.append(rows)
        return self.train("ngram" if artifact == self.cheap else "frozen", rows).model

    def cascade(self, *artifacts: str, again: Any = None, **options: Any) -> Trained:
        return installed.compressions()["cascade.v1"].compress(self.request(*artifacts, again=again, **options))

    def request(self, *artifacts: str, again: Any = None, **options: Any) -> CompressRequest:
        source, other = artifacts
        return CompressRequest(
            source=self.load(source),
            source_artifact=source,
            other=self.load(other),
            other_artifact=other,
            train=self.orders,
            blobs=self.blobs,
            load=self.load,
            again=again or self.again,
            options=options,
        )


@pytest.fixture(scope="module")
def halves(orders: Split, minilm: tuple[BlobStore, str]) -> Halves:
    return Halves(orders, minilm)


@pytest.fixture(scope="module")
def made(halves: Halves) -> Trained:
    return halves.cascade(halves.dear, halves.cheap)


def test_the_cheaper_model_answers_first_whichever_was_named_first(halves: Halves, made: Trained) -> None:
    assert (made.settings["cheap"], made.settings["dear"]) == (halves.cheap, halves.dear)
    assert made.parameters["dear_share"] < 0.5
    told = " ".join(made.notes)
    assert "expected throughput" in told
    assert "without which both halves were trained again" in told


def test_the_threshold_is_chosen_on_rows_that_neither_half_has_seen(halves: Halves, made: Trained) -> None:
    kept = [len(rows) for rows in halves.seen[-2:]]
    assert kept == [72, 72]  # a fifth of 90 is held out, from both halves alike
    assert halves.seen[-1] == halves.seen[-2]


def test_each_text_gets_the_answer_of_the_half_that_is_asked(halves: Halves, made: Trained) -> None:
    cheap, dear = halves.load(halves.cheap), halves.load(halves.dear)
    model = Loader(halves.blobs).load(save(made, halves.blobs))
    texts = ["cancel my coat", "zzzz", "when will the money be paid back", "把手机取消掉", "?"]
    answers = model.predict(texts)
    asked = []
    for text, answer in zip(texts, answers, strict=True):
        sure = cheap.predict([text]).max() >= np.float32(made.settings["threshold"])
        asked.append(sure)
        assert answer.tobytes() == (cheap if sure else dear).predict([text])[0].tobytes()
    assert set(asked) == {True, False}


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.text("abc 退款钱 money where", min_size=1, max_size=30), min_size=1, max_size=5))
def test_a_text_is_answered_with_the_same_bits_alone_and_in_any_batch(made: Trained, texts: list[str]) -> None:
    together = made.model.predict(texts)
    assert together.tobytes() == np.concatenate([made.model.predict([text]) for text in texts]).tobytes()
    assert together.shape == (len(texts), 3)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), within=st.sampled_from([0.0, 0.003, 0.02, 0.1]), steps=st.integers(2, 500))
def test_no_more_accuracy_is_lost_than_allowed(seed: int, within: float, steps: int) -> None:
    """steps: how many different probabilities there are; with few of them many rows are equally sure."""
    random = np.random.default_rng(seed)
    sure = np.ceil(random.random(400) * steps).astype(np.float32) / steps
    held = _HeldOut(sure, random.random(400) < 0.5 + 0.5 * sure, random.random(400) < 0.95)
    choice = _choose(held, within)
    cheap = sure >= np.float32(choice.threshold)
    assert 1 - cheap.mean() == pytest.approx(choice.dear_share)
    lost = held.dear.mean() - np.where(cheap, held.cheap, held.dear).mean()
    assert lost == pytest.approx(choice.loss, abs=1e-9)
    assert lost + choice.error <= within + 1e-9


def test_a_dear_half_that_counts_as_right_is_not_trained(halves: Halves) -> None:
    before = len(halves.seen)
    made = halves.cascade(halves.cheap, halves.dear, dear="right", within=0.05)
    assert len(halves.seen) == before + 1
    assert "counts as always right" in " ".join(made.notes)


def test_a_cascade_that_saves_nothing_is_refused(halves: Halves) -> None:
    class Clueless:
        labels = halves.load(halves.cheap).labels

        def predict(self, texts: list[str]) -> Any:
            return np.full((len(texts), 3), 1 / 3, dtype=np.float32)

    def again(artifact: str, rows: Split) -> Any:
        return Clueless() if artifact == halves.cheap else halves.train("frozen", rows).model

    with pytest.raises(Conflict, match=r"would save nothing.* the dear half must answer 100%"):
        halves.cascade(halves.cheap, halves.dear, again=again)


@pytest.mark.parametrize(("served", "scaled"), [(0.5, True), (1.0, False)])
def test_an_uncalibrated_half_is_put_on_the_scale_of_the_one_that_serves(
    halves: Halves, served: float, scaled: bool
) -> None:
    """As a tuned encoder whose rows are 2,000 or more, but four fifths of them fewer."""
    cheap = halves.load(halves.cheap)
    object.__setattr__(cheap, "temperature", served)

    def again(artifact: str, rows: Split) -> Model:
        half = halves.again(artifact, rows)
        if artifact == halves.cheap:
            object.__setattr__(half, "temperature", 1.0)
        return half

    request = halves.request(halves.cheap, halves.dear, again=again, within=0.1)
    held = _held_out(
        request, {"folds": 1, "dear": "again"}, again, _Half(cheap, halves.cheap, 1.0), _Half(cheap, halves.dear, 2.0)
    )
    assert held.scaled == scaled
    error = abs(held.sure.mean() - held.cheap.mean())
    assert error <= 0.1 if scaled else error > 0.1


def test_what_does_not_fit_together_is_refused(halves: Halves, orders: Split) -> None:
    with pytest.raises(BadInput, match="two different models"):
        halves.cascade(halves.cheap, halves.cheap)
    rows = [row for row, label in enumerate(orders.labels) if label != "track"]
    fewer = Split(tuple(orders.inputs[row] for row in rows), tuple(orders.labels[row] for row in rows))
    other = save(halves.train("ngram", fewer), halves.blobs)
    with pytest.raises(BadInput, match="other labels: 3 and 2"):
        halves.cascade(halves.dear, other)
    with pytest.raises(BadInput, match="within must be a share"):
        halves.cascade(halves.cheap, halves.dear, within=3.0)
    with pytest.raises(BadInput, match="folds must lie between 1 and 5"):
        halves.cascade(halves.cheap, halves.dear, folds=9)


def test_a_saved_cascade_of_models_that_do_not_fit_is_broken(halves: Halves, made: Trained) -> None:
    from dataclasses import replace

    for change in ({"threshold": -1.0}, {"threshold": 2.5}):
        wrong = save(replace(made, settings={**made.settings, **change}), halves.blobs)
        with pytest.raises(Broken):
            halves.load(wrong)
    mislabelled = replace(made, model=Cascade(("x", "y", "z"), made.model, made.model, 0.5))
    with pytest.raises(Broken, match="other labels"):
        halves.load(save(mislabelled, halves.blobs))


def test_no_label_is_left_without_two_rows_to_train_on() -> None:
    truth = np.array([0] * 20 + [1] * 3 + [2] * 2)
    for held in _folds(truth, seed=0):
        assert np.bincount(np.delete(truth, held)).min() >= 2
    with pytest.raises(BadInput, match="too few rows"):
        _folds(np.array([0, 0, 1, 1]), seed=0)
