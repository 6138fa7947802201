"""The rows that every text rung learns from: suspect labels, changed copies and weights, as the options want them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.readers import read_rows
from penstock.datasets.rows import Split, split_of
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.train.rows import SUSPECT_WEIGHT, held_out, text_rows
from penstock.training.records import TrainRequest, save
from penstock.training.softmax_head import fit_path


def asked(train: Split, **options: Any) -> TrainRequest:
    return TrainRequest(train=train, options=options)


@pytest.fixture
def mislabelled() -> tuple[Split, set[int]]:
    """200 rows about parcels, bills and passwords, of which 12 bear another's label; and which."""
    draw = np.random.default_rng(0)
    topics = {"parcel": "where is my parcel {}", "bill": "pay the bill {} now", "password": "reset password {} please"}
    rows = [(text.format(draw.integers(999)), label) for label, text in topics.items() for _ in range(60)]
    wrong = set(draw.choice(len(rows), size=12, replace=False).tolist())
    names = list(topics)
    labels = [names[names.index(y) - 1] if n in wrong else y for n, (_, y) in enumerate(rows)]
    return Split(tuple(text for text, _ in rows), tuple(labels)), wrong


def test_without_options_the_rows_are_as_they_are(orders: Split) -> None:
    rows = text_rows(asked(orders))
    assert (rows.texts, rows.originals, rows.notes) == (orders.texts, len(orders), ())
    assert [rows.labels[number] for number in rows.truth] == list(orders.labels)
    assert (rows.weights == 1).all() and (rows.origin == np.arange(len(orders))).all()


def test_suspect_labels_are_removed_or_weigh_less(mislabelled: tuple[Split, set[int]]) -> None:
    train, wrong = mislabelled
    removed = text_rows(asked(train, suspect_labels="remove"))
    gone = set(range(len(train))) - set(removed.origin.tolist())
    assert len(gone & wrong) >= 10 and len(gone - wrong) <= 2
    assert removed.notes == (f"{len(gone)} rows with suspect labels removed",)
    lighter = text_rows(asked(train, suspect_labels="down-weight"))
    assert len(lighter) == len(train)
    light = set(np.flatnonzero(lighter.weights < 0.9).tolist())
    assert light == gone
    assert lighter.weights.min() / lighter.weights.max() == pytest.approx(SUSPECT_WEIGHT)


def test_every_label_keeps_two_rows_however_suspect_they_are() -> None:
    texts = [f"parcel number {n}" for n in range(40)] + ["parcel number 1000", "parcel number 1001", "parcel 7"]
    train = Split(tuple(texts), ("parcel",) * 40 + ("bill",) * 3)
    rows = text_rows(asked(train, suspect_labels="remove"))
    assert rows.labels == ("bill", "parcel") and Counter(rows.truth.tolist())[0] >= 2


def test_copies_differ_from_their_rows_and_keep_the_label(orders: Split) -> None:
    rows = text_rows(asked(orders, augment=1.5))
    assert len(rows) == 225 and rows.originals == 90
    for text, origin, number in zip(rows.texts[90:], rows.origin[90:], rows.truth[90:], strict=True):
        assert text != orders.texts[origin] and text.strip()
        assert rows.labels[number] == orders.labels[origin]
    assert max(Counter(rows.origin[90:].tolist()).values()) == 2  # every row in turn
    again = text_rows(asked(orders, augment=1.5))
    assert again.texts == rows.texts


def test_copies_never_judge_nor_teach_beside_their_own_row(orders: Split) -> None:
    rows = text_rows(asked(orders, augment=1.0))
    folds = held_out(rows, 3, seed=0)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(90))
    for kept, held in folds:
        assert not set(rows.origin[kept]) & set(rows.origin[held])
        assert len(kept) == 120


def test_balanced_labels_weigh_alike() -> None:
    train = Split(tuple(f"text {n}" for n in range(20)), ("rare",) * 4 + ("usual",) * 16)
    rows = text_rows(asked(train, class_weights="balanced"))
    sums = np.bincount(rows.truth, weights=rows.weights)
    assert sums[0] == pytest.approx(sums[1]) and rows.weights.mean() == pytest.approx(1)


def test_a_text_that_no_change_alters_goes_without_a_copy() -> None:
    rows = text_rows(asked(Split(("1", "2", "3", "4"), ("a", "a", "b", "b")), augment=1.0))
    assert len(rows) == 4


@pytest.mark.parametrize(
    "options", [{"augment": -1}, {"augment": float("nan")}, {"suspect_labels": "drop"}, {"robust_rows": 2.5}]
)
def test_options_that_mean_nothing_are_refused(orders: Split, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        text_rows(asked(orders, **options))
    assert caught.value.where == f"options.{next(iter(options))}"


def test_a_row_of_weight_two_teaches_as_two_rows_do() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(40, 5)).astype(np.float32)
    truth = draw.integers(0, 3, size=40)
    twice = np.concatenate([np.arange(40), np.arange(10)])
    weights = np.where(np.arange(40) < 10, 2.0, 1.0).astype(np.float32)
    repeated = next(fit_path(vectors[twice], truth[twice], 3, (1.0,), 1e-6))
    # the penalty goes by the number of rows, so it is the same at a strength of 50/40
    weighted = next(fit_path(vectors, truth, 3, (1.0 * weights.mean(),), 1e-6, weights=weights / weights.mean()))
    assert np.abs(repeated.weights - weighted.weights).max() < 1e-3


def test_a_rung_learns_by_the_options_and_says_so(mislabelled: tuple[Split, set[int]], blobs: BlobStore) -> None:
    train, _ = mislabelled
    request = asked(train, suspect_labels="remove", augment=0.5, class_weights="balanced")
    trained = installed.rungs()["ngram-linear.v1"].train(request)
    assert any("suspect labels removed" in note for note in trained.notes)
    assert any("changed copies" in note for note in trained.notes)
    assert save(trained, blobs) == save(installed.rungs()["ngram-linear.v1"].train(request), blobs)


def test_most_wrong_labels_of_real_texts_are_found(shared_data: Path) -> None:
    train = split_of(read_rows(shared_data / "banking77" / "train.csv.gz", {}))
    names = train.classes[:12]
    chosen = [n for n, label in enumerate(train.labels) if label in names]
    draw = np.random.default_rng(0)
    labels = [names[draw.integers(12)] if draw.random() < 0.2 else train.labels[n] for n in chosen]
    wrong = {at for at, n in enumerate(chosen) if labels[at] != train.labels[n]}
    removed = text_rows(asked(Split([train.texts[n] for n in chosen], labels), suspect_labels="remove"))
    gone = set(range(len(chosen))) - set(removed.origin.tolist())
    assert len(gone & wrong) > 0.7 * len(wrong) and len(gone & wrong) > 0.7 * len(gone)


def test_every_row_can_be_called_by_where_it_was_read() -> None:
    """Also a copy, a row of a part, and what stands in no file."""
    origins = tuple(f"orders.csv:{line}" for line in range(2, 8))
    labels = ("late", "late", "lost", "lost", "late", "lost")
    texts = ("parcel late", "still late", "parcel lost", "all lost", "late again", "lost again")
    part = Split(texts, labels, origins=origins).part([5, 0, 2, 4])
    assert (part.texts[0], part.labels[0]) == ("lost again", "lost")
    rows = text_rows(asked(part, augment=0.5, label_names=True))
    assert [rows.called(row) for row in range(4)] == ["orders.csv:7", "orders.csv:2", "orders.csv:4", "orders.csv:6"]
    copy = rows.originals
    assert rows.called(copy) == part.origins[int(rows.origin[copy])]
    assert rows.called(len(rows) - 1) == "the words of the label 'lost'"
    assert text_rows(asked(Split(texts, labels))).called(2) == "number 3"


def test_the_words_of_a_label_are_learned_as_a_row_of_it() -> None:
    split = Split(("where is it", "not here yet", "pay me back", "refund please"), ("late_card",) * 2 + ("refund",) * 2)
    rows = text_rows(TrainRequest(split, options={"label_names": True}))
    assert rows.texts[-2:] == ("late card", "refund")
    assert rows.truth[-2:].tolist() == [0, 1]
    assert all(len(set(held.tolist()) & {4, 5}) == 0 for _, held in held_out(rows, 2, 0))
