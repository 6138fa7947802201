"""A text classifier that may say "unsure": what it does with texts that none of its labels fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.readers import iter_texts, read_rows
from penstock.datasets.rows import Split, split_of
from penstock.loader import Loader
from penstock.models.protocol import unsure_below
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train.unsure import train_unsure, with_threshold
from penstock.training.records import Trained, TrainRequest, save

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def train(rows: Split, **options: object) -> Trained:
    return train_unsure(installed.rungs()["ngram-linear.v1"].train, TrainRequest(train=rows, seed=0, options=options))


@pytest.fixture(scope="module")
def bank() -> tuple[Split, Split]:
    """(train, test) of 20 of BANKING77's labels."""
    parts = []
    for name in ("train", "test"):
        rows = read_rows(DATA / "banking77" / f"{name}.csv.gz")
        names = sorted({row.label for row in rows})[:20]
        parts.append(split_of([row for row in rows if row.label in names]))
    return parts[0], parts[1]


@pytest.fixture(scope="module")
def others() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Questions about COVID-19, to calibrate by and to test with."""
    texts = list(dict.fromkeys(text for _, text in iter_texts(DATA / "covid_faq" / "queries.csv.gz", "query")))
    return tuple(texts[::2]), tuple(texts[1::2])


def test_other_peoples_questions_are_not_answered_and_what_is_answered_is_right(
    bank: tuple[Split, Split], others: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    rows, test = bank
    trained = train(replace(rows, outside=others[0]), abstain=True)
    threshold = unsure_below(trained.model)
    assert threshold is not None and 0 < threshold <= 1
    inside, outside = trained.model.predict(test.texts), trained.model.predict(others[1])
    refused = float((outside.max(axis=1) < threshold).mean())
    answered = inside.max(axis=1) >= threshold
    names = np.array(trained.model.labels)
    right = names[inside.argmax(axis=1)] == np.array(test.labels)
    assert refused >= 0.9
    assert answered.mean() >= 0.7
    assert right[answered].mean() >= 0.95
    assert f"{len(others[0])} texts out of scope" in trained.notes[-1]


def test_without_a_file_some_labels_are_left_out_in_their_place(
    bank: tuple[Split, Split], others: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    trained = train(bank[0], abstain=True)
    threshold = unsure_below(trained.model)
    assert threshold is not None
    assert (trained.model.predict(others[1]).max(axis=1) < threshold).mean() >= 0.9
    assert "4 labels left out in place of texts out of scope, which nobody named" in trained.notes[-1]
    assert trained.model.labels == bank[0].classes  # what is kept learned all of them


def test_with_few_labels_only_the_precision_decides_and_the_note_says_so(orders: Split) -> None:
    assert "no texts out of scope" in train(orders, abstain=True, target_precision=0.9).notes[-1]
    assert "always unsure" in train(orders, abstain=True, target_precision=0.99).notes[-1]  # 18 rows promise less


def test_a_saved_model_keeps_its_threshold(orders: Split, blobs: BlobStore) -> None:
    trained = train(orders, abstain=True)
    reloaded = Loader(blobs).load(save(trained, blobs))
    assert unsure_below(reloaded) == unsure_below(trained.model)
    assert (reloaded.predict(["完全不同"]) == trained.model.predict(["完全不同"])).all()


def test_the_same_rows_give_the_same_artifact_and_without_the_option_nothing_changes(
    orders: Split, blobs: BlobStore
) -> None:
    assert save(train(orders, abstain=True), blobs) == save(train(orders, abstain=True), blobs)
    plain = installed.rungs()["ngram-linear.v1"].train(TrainRequest(train=orders, seed=0))
    assert save(train(orders), blobs) == save(plain, blobs)
    assert unsure_below(plain.model) is None


def test_what_a_model_was_compressed_from_gives_its_threshold(orders: Split, blobs: BlobStore) -> None:
    kept = with_threshold(train(orders), 0.4)
    assert unsure_below(Loader(blobs).load(save(kept, blobs))) == 0.4
    assert unsure_below(with_threshold(train(orders), None).model) is None


def test_too_few_rows_for_a_threshold_are_refused(orders: Split) -> None:
    with pytest.raises(BadInput, match="no label has rows enough") as caught:
        train(orders.part([*range(4), *range(40, 44)]), abstain=True)
    assert "5 rows" in str(caught.value.hint)
