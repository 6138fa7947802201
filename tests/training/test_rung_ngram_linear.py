"""What the rung `ngram-linear.v1` gives: a calibrated model that answers the same after saving."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput, Unavailable
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Split, split_of
from penstock.loader import Loader
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train import ngram_linear
from penstock.training.records import Trained, TrainRequest, save
from penstock.training.rows import MANY_CLASSES


def train(split: Split, seed: int = 0) -> Trained:
    return installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=split, seed=seed))


def accuracy(trained: Trained, test: Split) -> float:
    best = trained.model.predict(test.texts).argmax(axis=1)
    return float(np.mean([trained.model.labels[i] == label for i, label in zip(best, test.labels, strict=True)]))


def test_a_model_saved_and_reloaded_answers_as_the_trained_one(orders: Split, blobs: BlobStore) -> None:
    trained = train(orders)
    reloaded = Loader(blobs).load(save(trained, blobs))
    texts = [*orders.texts, "something else", "完全不同"]
    assert np.abs(trained.model.predict(texts) - reloaded.predict(texts)).max() <= 1e-6
    assert reloaded.labels == ("cancel", "refund", "track")


def test_it_learns_both_languages_at_once(orders: Split) -> None:
    trained = train(orders)
    test = Split(("cancel the red chair please", "退款还没到账", "包裹到哪里了"), ("cancel", "refund", "track"))
    assert accuracy(trained, test) == 1
    assert trained.seconds > 0 and trained.notes


def test_the_same_seed_gives_the_same_artifact(orders: Split, blobs: BlobStore) -> None:
    assert save(train(orders, seed=3), blobs) == save(train(orders, seed=3), blobs)


def test_two_labels_are_enough(orders: Split) -> None:
    rows = [row for row in zip(orders.texts, orders.labels, strict=True) if row[1] != "track"]
    trained = train(Split(*map(tuple, zip(*rows, strict=True))))
    assert trained.model.predict(["refund my coat"]).shape == (1, 2)
    assert accuracy(trained, Split(("refund my coat", "cancel my coat"), ("refund", "cancel"))) == 1


@pytest.mark.parametrize(
    ("labels", "why"),
    [(("a", "a", "a"), "all 3 rows have the label 'a'"), (("a", "a", "b"), "'b' has only one row"), ((), "no rows")],
)
def test_rows_that_cannot_train_are_refused_in_words(labels: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        train(Split(("one", "two", "three")[: len(labels)], labels))


def test_two_rows_of_a_label_and_texts_without_a_letter_in_common_still_train() -> None:
    assert train(Split(("a", "b", "c", "d"), ("x", "x", "y", "y"))).model.predict(["a"]).shape == (1, 2)


def test_without_scikit_learn_it_says_what_to_install(orders: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(Unavailable, match="sklearn") as caught:
        train(orders)
    assert "-m pip install" in str(caught.value)


def test_banking77_reaches_90_percent_and_its_scores_mean_what_they_say(shared_data: Path) -> None:
    folder = shared_data / "banking77"
    train_split, test = (split_of(read_rows(folder / f"{part}.csv.gz", {})) for part in ("train", "test"))
    trained = train(train_split)
    assert accuracy(trained, test) >= 0.90
    confidence = trained.model.predict(test.texts).max(axis=1).mean()
    assert abs(confidence - accuracy(trained, test)) <= 0.03


def test_chinese_reviews_unseen_in_train_reach_89_5_percent(shared_data: Path) -> None:
    folder = shared_data / "chnsenticorp"
    train_rows, test_rows = (read_rows(folder / f"{part}.csv.gz", {}) for part in ("train", "test"))
    known, asked = {row.text for row in train_rows}, {row.text for row in test_rows}
    trained = train(split_of([row for row in train_rows if row.text not in asked]))
    assert accuracy(trained, split_of([row for row in test_rows if row.text not in known])) >= 0.895


def test_very_many_classes_are_learned_in_one_pass() -> None:
    """One SVM a class took hours at 5,000 classes, without a word."""
    chance = random.Random(0)
    words = ["".join(chance.choice("abcdefghijklmnopqrst") for _ in range(6)) for _ in range(2_000)]
    own = [chance.sample(words, 3) for _ in range(MANY_CLASSES + 100)]
    texts = [" ".join([*chance.sample(each, 2), *chance.sample(words, 2)]) for each in own for _ in range(3)]
    labels = [f"c{place}" for place in range(len(own)) for _ in range(3)]
    made = train(Split(tuple(texts), tuple(labels)))
    assert any("each the mean of its rows" in note for note in made.notes)
    answers = made.model.predict([" ".join(each) for each in own[:200]])
    right = sum(made.model.labels[at] == f"c{place}" for place, at in enumerate(answers.argmax(axis=1)))
    assert right > 180
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-3)


def test_a_long_fit_goes_class_by_class_and_tells_how_far_it_is(orders: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float]] = []
    at_once = train(orders)
    monkeypatch.setattr(ngram_linear, "LONG_WORK", 0)

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        told.append((stage, done / total))

    request = TrainRequest(train=orders, progress=progress)
    one_by_one = installed.rungs()["ngram-linear.v1"].train(request)
    assert one_by_one.model.predict(orders.texts) == pytest.approx(at_once.model.predict(orders.texts), abs=0.05)
    shares = [share for stage, share in told if stage == "train"]
    assert shares == sorted(shares) and shares[-1] == 1 and len(set(shares)) > 20
