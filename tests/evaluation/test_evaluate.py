"""Measuring a candidate: what is found of a real model, and what is refused before a report can mislead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluation.conftest import Trained
from evaluation.measured import FREE, measure, scripted

from penstock.core.errors import BadInput, Broken
from penstock.datasets.rows import Split
from penstock.evaluation.gate import judge
from penstock.evaluation.measured import Classes
from penstock.evaluation.report import Report
from penstock.workspace.records import Condition

ROWS = [("a1", "a", "a"), ("a2", "a", "b"), ("b1", "b", "b"), ("b2", "b", "b")]


@pytest.fixture(scope="module")
def found(trained: Trained) -> Report:
    return measure(trained.model, trained.test, reloaded=trained.reloaded)


def test_a_real_model_that_was_saved_and_reloaded_answers_the_same(found: Report) -> None:
    assert found.parity.holds
    assert found.parity.trained_reloaded.rows == found.rows == 24
    assert found.parity.single_batch.max_difference == 0.0


def test_a_real_model_is_timed_on_single_calls_with_ordered_intervals(found: Report) -> None:
    latency = found.latency
    assert latency.calls >= 75  # from 72 calls on, a p95 has an upper bound
    assert 0 < latency.p50_ms.low <= latency.p50_ms.value <= latency.p95_ms.value <= latency.p95_ms.high
    assert len(latency.curve_ms) == 101 and list(latency.curve_ms) == sorted(latency.curve_ms)
    assert latency.machine.cores >= 1 and latency.machine.cpu and latency.machine.onnxruntime != "absent"


def test_the_cost_is_processor_time_at_the_price_of_a_core_hour(found: Report) -> None:
    seconds = found.cost.cpu_s_per_1000
    assert 0 < seconds.low <= seconds.value <= seconds.high
    assert found.cost_per_1000.value == pytest.approx(seconds.value * 0.04 / 3600, rel=1e-4)
    assert found.cost.cpu_core_hour == "0.04"


def test_the_margin_is_judged_at_the_cheapest_tier(found: Report) -> None:
    assert found.cost.price_per_1000 == "2.0000"  # the second tier: 0.0020 each
    margin = found.gross_margin
    assert margin is not None
    assert margin.value == pytest.approx(1 - found.cost_per_1000.value / 2)
    assert margin.low == pytest.approx(1 - found.cost_per_1000.high / 2)


def test_a_product_given_away_has_a_cost_but_no_margin(trained: Trained) -> None:
    free = measure(trained.model, trained.test, reloaded=trained.reloaded, price=FREE)
    assert free.gross_margin is None and free.cost_per_1000.value > 0


def test_the_same_seed_gives_the_same_figures_except_times(trained: Trained, found: Report) -> None:
    again = measure(trained.model, trained.test, reloaded=trained.reloaded)
    timed = {"latency": found.latency, "cost": found.cost, "gross_margin": found.gross_margin}
    assert replace(again, **timed) == found


def classes_of(found: Report) -> Classes:
    assert found.classes is not None
    return found.classes


def test_every_row_is_accounted_for() -> None:
    found = measure(*scripted(ROWS))
    assert (found.rows, found.labels, found.scores) == (4, 2, (1.0, 0.0, 1.0, 1.0))
    names = classes_of(found).labels
    told = {(names[cell.truth], names[cell.predicted]): cell.count for cell in classes_of(found).confusion}
    assert {pair: count for pair, count in told.items() if count} == {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 2}
    assert found.quality["accuracy"].value == 0.75
    assert found.quality["macro_f1"].value == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_the_headline_is_the_first_metric_that_the_task_names() -> None:
    found = measure(*scripted(ROWS))
    assert tuple(found.quality) == ("accuracy", "macro_f1", "ece")
    assert (found.headline, found.headline_metric) == ("accuracy", found.quality["accuracy"])


def test_the_worst_errors_are_the_wrong_answers_with_the_highest_score() -> None:
    (worst,) = classes_of(measure(*scripted(ROWS))).worst_errors
    assert (worst.row, worst.text, worst.truth, worst.predicted) == (1, "a2", "a", "b")
    assert (worst.score, worst.truth_score) == (pytest.approx(0.8), pytest.approx(0.2))


def test_a_long_text_is_shortened_in_the_report() -> None:
    (worst,) = classes_of(measure(*scripted([("长" * 9_000, "a", "b"), ("y", "a", "a")]))).worst_errors
    assert len(worst.text) == 501 and worst.text.endswith("…")


def test_test_rows_with_a_label_the_model_never_learned_count_as_wrong() -> None:
    found = measure(*scripted([*ROWS, ("c1", "c", "a")]))
    assert classes_of(found).labels == ("a", "b", "c")
    assert found.labels == 2  # what the model knows
    assert found.quality["accuracy"].value == 3 / 5
    unseen = classes_of(found).per_class[2]
    assert (unseen.label, unseen.support, unseen.recall.value) == ("c", 1, 0.0)
    assert next(each for each in classes_of(found).worst_errors if each.truth == "c").truth_score == 0.0


def gate_refuses(found: Report) -> bool:
    return not judge(found, (Condition(metric="accuracy", op=">=", threshold=0),), None).passed


def test_a_model_that_answers_otherwise_in_a_batch_fails_parity_and_the_gate() -> None:
    def bend(rows: Any) -> Any:
        return rows if len(rows) == 1 else rows[:, ::-1]

    found = measure(*scripted(ROWS, bend=bend))
    assert found.parity.single_batch.label_agreement == 0.0 and not found.parity.holds
    assert gate_refuses(found)


def test_a_model_that_comes_back_from_disk_otherwise_fails_parity_and_the_gate() -> None:
    model, test = scripted(ROWS)
    found = measure(model, test, reloaded=replace(model, answers={**model.answers, "b2": "a"}))
    assert found.parity.trained_reloaded.label_agreement == 0.75 and gate_refuses(found)
    assert found.quality["accuracy"].value == 0.5  # the one that will be served is the one that is judged


def test_scores_that_drift_fail_parity_though_every_label_agrees() -> None:
    model, test = scripted(ROWS)
    drifted = replace(model, bend=lambda rows: rows * np.float32(0.999))
    found = measure(model, test, reloaded=drifted)
    assert found.parity.trained_reloaded.label_agreement == 1.0 and gate_refuses(found)


def test_a_backbone_exported_badly_fails_parity_and_the_gate() -> None:
    model, test = scripted(ROWS)
    assert measure(model, test, backbone_parity=5e-5).parity.holds
    assert gate_refuses(measure(model, test, backbone_parity=5e-4))


def test_without_test_rows_there_is_no_report() -> None:
    model, _ = scripted(ROWS)
    with pytest.raises(BadInput, match="no test rows"):
        measure(model, Split((), ()))


def test_a_saved_model_with_other_labels_is_refused() -> None:
    model, test = scripted(ROWS)
    with pytest.raises(BadInput, match="other labels"):
        measure(model, test, reloaded=replace(model, labels=("b", "a")))


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda rows: rows * np.float32("nan"), id="not a number"),
        pytest.param(lambda rows: rows - 0.5, id="negative"),
        pytest.param(lambda rows: rows * 2, id="above one"),
        pytest.param(lambda rows: rows[:, :1], id="a label short"),
        pytest.param(lambda rows: rows[:0], id="no rows"),
    ],
)
def test_answers_that_are_no_probabilities_stop_the_evaluation(bend: Any) -> None:
    with pytest.raises(Broken, match="the model answered"):
        measure(*scripted(ROWS, bend=bend))


def test_progress_rises_to_its_end() -> None:
    shares: list[float] = []
    rows = [(f"text {n}", "ab"[n % 2], "a") for n in range(300)]
    model, test = scripted(rows, labels=("a", "b"))
    measure(model, test, progress=lambda _stage, done, total, _note="": shares.append(done / total))
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 4
