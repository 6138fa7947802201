"""How right answers of several labels are: by hand, against the best that needs no model, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from evaluation.measured import PRICE, needs

from penstock import installed
from penstock.core.errors import Broken
from penstock.evaluation.evaluate import Exam, Examinee, Terms, evaluate
from penstock.evaluation.gate import judge
from penstock.evaluation.html import report_html
from penstock.evaluation.measured import Measured
from penstock.evaluation.parity import compare
from penstock.evaluation.report import Report, summary_rows
from penstock.evaluation.trivial import EVERY_LABEL, SAME_SET
from penstock.models.protocol import given
from penstock.runtime.progress import no_progress
from penstock.tasks.text.data.label_sets import split_sets
from penstock.tasks.text.label_set_measures import NONE, measure_sets
from penstock.workspace.records import Costs, Product

LABELS = ("a", "b", "c")
STATED = {
    "task": "text-classification",
    "data": "x.csv",
    "gate": {},
    "price": PRICE,
    "options": {"multi_label": True, "robust_rows": 0},
}
PRODUCT = Product.model_validate(STATED)
TASK = installed.of(PRODUCT)


def judged(*rows: tuple[str, str], labels: Sequence[str] = LABELS) -> Measured:
    """rows: (true labels, labels given), a letter each."""
    flags = np.array([[label in gave for label in labels] for _, gave in rows])
    answers = np.where(flags, 0.9, 0.1).astype(np.float32)
    return measure_sets(labels, [tuple(true) for true, _ in rows], answers, flags, [f"row {r}" for r in rows], 0)


def test_the_measures_are_those_of_the_books() -> None:
    found = judged(("ab", "ab"), ("a", "ac"), ("", ""), ("b", ""), ("c", "c"))
    # a: 2 of 2, b: 1 of 2 found, c: 1 right of 2 given
    assert found.quality["micro_f1"].value == pytest.approx(2 * 4 / (2 * 4 + 1 + 1))
    assert found.quality["macro_f1"].value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert found.quality["exact_match"].value == pytest.approx(3 / 5)
    assert tuple(found.quality) == ("micro_f1", "macro_f1", "exact_match", "ece")
    assert found.classes is not None
    assert [(one.label, one.support, one.predicted) for one in found.classes.per_class] == [
        ("a", 2, 2),
        ("b", 2, 1),
        ("c", 1, 2),
    ]
    for name in ("micro_f1", "macro_f1", "exact_match"):
        assert found.quality[name].low < found.quality[name].value < found.quality[name].high
    errors = {(one.row, one.truth, one.predicted) for one in found.classes.worst_errors}
    assert errors == {(1, "a", "a | c"), (3, "b", NONE)}


def test_a_row_s_scores_average_to_micro_f1_so_that_models_are_paired_by_it() -> None:
    draw = np.random.default_rng(0)
    rows = [tuple("".join(x for x in "abc" if draw.random() < 0.4) for _ in range(2)) for _ in range(200)]
    found = judged(*rows)  # type: ignore[arg-type]
    assert np.mean(found.scores) == pytest.approx(found.quality["micro_f1"].value)
    spread = np.std(found.scores) / np.sqrt(len(rows)) * 1.96  # the linearisation's own interval is the bootstrap's
    metric = found.quality["micro_f1"]
    assert (metric.high - metric.low) / 2 == pytest.approx(spread, rel=0.25)


def test_a_label_that_only_the_test_knows_can_only_be_missed() -> None:
    found = judged(("a", "a"), ("az", "a"), ("z", ""))
    assert found.classes is not None and found.classes.labels == (*LABELS, "z")
    assert found.quality["micro_f1"].value == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert found.quality["exact_match"].value == pytest.approx(1 / 3)


def test_without_any_label_nothing_is_known() -> None:
    found = judged(("", ""), ("", ""))
    assert found.quality["micro_f1"].value == 0 and found.quality["exact_match"].value == 1
    assert not any(each.beaten for each in found.trivial)


def test_numbers_that_are_no_probabilities_are_an_error() -> None:
    with pytest.raises(Broken, match="no probabilities"):
        measure_sets(LABELS, [("a",)], np.full((1, 3), 2.0, dtype=np.float32), np.ones((1, 3), bool), ["x"], 0)


def test_the_best_constant_set_is_found_and_a_model_that_gives_it_is_refused() -> None:
    truth = ["ab"] * 50 + ["a"] * 30 + ["bc"] * 15 + [""] * 5
    constant = judged(*((true, "ab") for true in truth))
    by_name = {each.metric: each for each in constant.trivial}
    best = max(
        2 * sum(len(set(each) & set(way)) for each in truth) / sum(len(each) + len(way) for each in truth)
        for way in ("a", "b", "c", "ab", "ac", "bc", "abc")
    )
    assert by_name["micro_f1"].value == pytest.approx(best)
    assert by_name["exact_match"].value == 0.5 and by_name["exact_match"].how == SAME_SET
    assert by_name["macro_f1"].how == EVERY_LABEL
    assert not any(each.beaten for each in constant.trivial)
    able = judged(*((true, true if n % 4 else "a") for n, true in enumerate(truth)))
    assert all(each.beaten for each in able.trivial)


def test_every_label_is_the_best_constant_for_macro_f1() -> None:
    found = judged(*(("abc"[n % 3], "abc") for n in range(60)))
    macro = {each.metric: each for each in found.trivial}["macro_f1"]
    assert macro.value == pytest.approx(found.quality["macro_f1"].value) and not macro.beaten


def test_scores_that_lie_on_their_threshold_agree_with_either_side() -> None:
    levels = np.array([0.5, 0.5], dtype=np.float32)
    one = np.array([[0.500001, 0.9], [0.2, 0.9]], dtype=np.float32)
    near, far = one - np.float32(2e-6), one - np.float32(0.45)
    assert compare(one, near, levels).holds
    assert compare(one, far, levels).label_agreement == 0.0
    swapped = np.array([[0.99990, 0.99991]], dtype=np.float32)
    assert compare(swapped, swapped[:, ::-1], levels).holds and not compare(swapped, swapped[:, ::-1]).holds


@dataclass(frozen=True)
class Several:
    """Gives a text the labels whose letters it holds."""

    labels: tuple[str, ...] = LABELS
    thresholds: Any = None
    kind: str = "several.v1"

    def predict(self, texts: Sequence[str]) -> Any:
        return np.array([[0.9 if label in text else 0.1 for label in self.labels] for text in texts], dtype=np.float32)


def report(model: Any, rows: list[dict[str, Any]], product: Product = PRODUCT) -> Report:
    test = split_sets(rows, product)
    return evaluate(
        Examinee(model, model),
        Exam(TASK.inputs(test), lambda judged, answers, seed: TASK.measure(judged, test, answers, seed), "0" * 64),
        Terms(product.price, Costs()),
        progress=no_progress,
    )


def texts(count: int = 60) -> list[dict[str, Any]]:
    sets = ["", "a", "ab", "bc", "c"]
    return [{"text": f"{sets[n % 5]} {n}", "labels": list(sets[n % 5] if n % 10 else "c")} for n in range(count)]


def test_a_gate_names_what_is_measured_and_wants_more_than_the_constant_set() -> None:
    model = Several(thresholds=np.full(3, 0.5, dtype=np.float32))
    found = report(model, texts())
    conditions = (needs("micro_f1", ">=", 0.7), needs("exact_match", ">=", 0.7), needs("macro_f1", ">=", 0.6))
    verdict = judge(found, conditions, found)
    assert verdict.passed, verdict.reasons
    assert [one.metric for one in verdict.reasons if one.kind == "trivial"] == ["micro_f1", "macro_f1", "exact_match"]
    same = replace(model, thresholds=np.full(3, 0.05, dtype=np.float32))  # gives every label to every text
    refused = judge(report(same, texts()), conditions[:1], found)
    failed = {(one.kind, one.metric) for one in refused.reasons if not one.passed}
    assert {("trivial", "micro_f1"), ("incumbent", "micro_f1"), ("condition", "micro_f1")} <= failed
    assert Report.from_json(found.to_json()) == found


def test_a_live_model_of_one_label_is_compared_by_that_label() -> None:
    single = Several()  # as it was before the product gave several
    test = split_sets(texts(), PRODUCT)
    flags = given(single, single.predict(test.inputs))
    assert flags.sum(axis=1).tolist() == [1] * len(test)
    found = report(single, texts())
    assert "exact_match" in found.quality and judge(found, (needs("micro_f1", ">=", 0.1),), found).reasons


def test_what_may_be_named_is_what_is_measured() -> None:
    product = Product.model_validate({**STATED, "options": {"multi_label": True}})
    model = Several(thresholds=np.full(3, 0.5, dtype=np.float32))
    rows = [{"text": f"the text ab number {n} or another", "labels": ["a", "b"]} for n in range(20)]
    measured = TASK.measure(model, split_sets(rows, product), model.predict([row["text"] for row in rows]), 0)
    assert tuple(measured.quality) == TASK.quality
    assert {each.metric for each in measured.trivial} == set(TASK.trivial)
    assert [section.title for section in measured.sections] == ["Robustness", "Thresholds"]
    assert measured.sections[1].rows[0] == ("a", "0.500")


def test_report_and_words_stand_in_both_languages() -> None:
    found = report(Several(thresholds=np.full(3, 0.5, dtype=np.float32)), texts())
    decision = {**judge(found, (needs("micro_f1", ">=", 0.7),), None).to_json(), "incumbent": None, "test_uses": 1}
    facts = {"product": "tickets", "number": 1, "rung": "ngram-linear.v1", "currency": "USD"}
    english = report_html(found, facts, decision, None, "en", TASK.chinese)
    chinese = report_html(found, facts, decision, None, "zh-CN", TASK.chinese)
    assert "always the same set of labels" in english and "Thresholds" in english
    for said in ("微平均 F1", "完全匹配率", "总是回答同一组标签", "阈值"):
        assert said in chinese
    for left in ("micro_f1", "exact_match", "always the", "Thresholds", "Threshold<"):
        assert left not in chinese
    notes = {row.metric: row.note for row in summary_rows(found)}
    assert "always the same set of labels" in notes["micro_f1"] and "60 test rows" in notes["micro_f1"]
