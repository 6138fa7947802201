"""What no model is needed for: each kind of it, worked out by hand, and when a model is better by more than chance."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation.measured import measure, scripted

from penstock.evaluation.intervals import Metric
from penstock.evaluation.trivial import by_interval, by_user, compared


def test_rights_and_wrongs_are_compared_by_the_exact_test_one_sided() -> None:
    found = compared("accuracy", "how", [1.0] * 5 + [0.0], [0.0] * 6, value=0.0)
    assert found.p_value == pytest.approx(1 / 32)  # five better, none worse
    assert found.beaten
    assert not compared("accuracy", "how", [1.0] * 4 + [0.0], [0.0] * 5, value=0.0).beaten  # 1 in 16


def test_being_significantly_worse_is_not_being_better() -> None:
    assert not compared("accuracy", "how", [0.0] * 50, [1.0] * 50, value=1.0).beaten


def test_equal_answers_are_never_better() -> None:
    assert not compared("r2", "how", [0.25, 0.5], [0.25, 0.5], value=0.0).beaten


def test_graded_rows_are_resampled() -> None:
    noise = np.random.default_rng(1).normal(size=400)
    assert compared("r2", "how", noise + 0.3, np.zeros(400), value=0.0).beaten
    assert not compared("r2", "how", noise - noise.mean(), np.zeros(400), value=0.0).beaten


def test_a_fixed_number_must_lie_below_the_whole_interval() -> None:
    assert by_interval("auc", "how", Metric(0.6, 0.51, 0.7), 0.5).beaten
    assert not by_interval("auc", "how", Metric(0.6, 0.49, 0.7), 0.5).beaten


def test_a_users_rows_stand_or_fall_together() -> None:
    assert by_user(np.array([1.0, 0.0, 1.0]), ["u", "u", "v"]).tolist() == [0.5, 1.0]


def test_one_label_in_twenty_rows_is_no_reason_to_pay() -> None:
    """95% of one label, and a model that always gives it: accuracy .95, of which it has earned nothing."""
    rows = [(f"text {n}", "rare" if n % 20 == 0 else "usual", "usual") for n in range(400)]
    found = measure(*scripted(rows, labels=("rare", "usual")))
    accuracy, macro_f1 = found.trivial
    assert (accuracy.metric, accuracy.value, accuracy.beaten) == ("accuracy", 0.95, False)
    assert (macro_f1.metric, macro_f1.value, macro_f1.beaten) == ("macro_f1", 0.5, False)


def test_a_model_that_finds_the_rare_label_is_better_by_macro_f1_though_not_by_accuracy() -> None:
    """As one with class_weights: all of the rare ones found, at as many false alarms."""
    rows = [
        (f"text {n}", "rare" if n % 20 == 0 else "usual", "rare" if n % 20 in (0, 1) else "usual") for n in range(400)
    ]
    accuracy, macro_f1 = measure(*scripted(rows, labels=("rare", "usual"))).trivial
    assert not accuracy.beaten and macro_f1.beaten
