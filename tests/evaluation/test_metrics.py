"""How right a model is: small cases computed by hand, larger ones against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.evaluation.intervals import wilson
from penstock.evaluation.metrics import (
    ConfusedPair,
    accuracy,
    calibration,
    confusion,
    macro_f1,
    per_class,
    top_confused,
)

# a: 2 of 3 found, 1 false alarm; b: both found, 1 false alarm; c: its only row missed
TRUTH = np.array([0, 0, 0, 1, 1, 2])
ANSWER = np.array([0, 0, 1, 1, 1, 0])


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracy(TRUTH == ANSWER) == wilson(4, 6)


def test_macro_f1_is_the_mean_of_the_labels_f1() -> None:
    found = macro_f1(TRUTH, ANSWER, seed=0)
    assert found.value == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert 0 <= found.low < found.value < found.high <= 1


def test_macro_f1_repeats_with_the_same_seed() -> None:
    truth, answer = (np.random.default_rng(seed).integers(0, 5, 300) for seed in (1, 2))
    answer[:200] = truth[:200]
    assert macro_f1(truth, answer, 3) == macro_f1(truth, answer, 3) != macro_f1(truth, answer, 4)


def test_macro_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(0)
    truth = generator.integers(0, 9, 400)
    answer = np.where(generator.random(400) < 0.7, truth, generator.integers(0, 9, 400))
    assert macro_f1(truth, answer, 0).value == pytest.approx(f1_score(truth, answer, average="macro"))


def test_a_label_that_neither_occurs_nor_is_answered_does_not_pull_macro_f1_down() -> None:
    rows = np.array([0, 0, 9, 9])
    assert macro_f1(rows, rows, 0).value == 1.0


def test_twenty_faultless_rows_do_not_claim_certainty() -> None:
    rows = np.arange(20) % 2
    assert macro_f1(rows, rows, 0).low == pytest.approx(wilson(20, 20).low)


def test_each_class_has_precision_recall_and_f1_with_intervals() -> None:
    a, b, c = per_class(TRUTH, ANSWER, ("a", "b", "c"))
    assert (a.label, a.support, a.predicted, a.precision, a.recall) == ("a", 3, 3, wilson(2, 3), wilson(2, 3))
    assert (b.precision, b.recall, b.f1.value) == (wilson(2, 3), wilson(2, 2), pytest.approx(0.8))
    assert (c.f1.value, c.recall, c.precision) == (0.0, wilson(0, 1), wilson(0, 0))
    assert all(each.f1.low <= each.f1.value <= each.f1.high for each in (a, b, c))


def test_a_class_without_rows_and_answers_is_listed_as_unknown() -> None:
    *_, unseen = per_class(TRUTH, ANSWER, ("a", "b", "c", "unseen"))
    assert (unseen.support, unseen.predicted, unseen.f1.low, unseen.f1.high) == (0, 0, 0.0, 1.0)


def test_confused_labels_come_largest_first() -> None:
    matrix = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 1, 0]))
    assert ConfusedPair(0, 0, 1) in matrix and sum(cell.count for cell in matrix) == 6
    assert top_confused(matrix) == (ConfusedPair(0, 1, 2), ConfusedPair(1, 0, 1), ConfusedPair(2, 0, 1))
    assert top_confused(matrix, 1) == (ConfusedPair(0, 1, 2),)


def test_calibration_error_is_the_gap_between_score_and_share_right() -> None:
    scores = np.array([0.9, 0.9, 0.62, 0.62])
    found = calibration(scores, np.array([True, False, True, True]), seed=0)
    assert found.ece.value == pytest.approx(0.5 * abs(0.9 - 0.5) + 0.5 * abs(0.62 - 1.0))
    assert [(each.rows, each.confidence, each.accuracy.value) for each in found.bins] == [
        (2, pytest.approx(0.62), 1.0),
        (2, pytest.approx(0.9), 0.5),
    ]


def test_scores_of_zero_and_one_have_their_bins() -> None:
    found = calibration(np.array([0.0, 1.0]), np.array([False, True]), seed=0)
    assert [(each.lower, each.upper) for each in found.bins] == [(0, 1 / 15), (14 / 15, 1)]
    assert found.ece.value == 0


def test_calibration_repeats_with_the_same_seed() -> None:
    scores = np.random.default_rng(0).random(200)
    right = np.random.default_rng(1).random(200) < scores
    assert calibration(scores, right, 5) == calibration(scores, right, 5) != calibration(scores, right, 6)
