"""What customers may send to a text classifier, and what they get back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluation.measured import Scripted

from penstock import installed
from penstock.client import texts
from penstock.core.errors import BadInput, NotFound
from penstock.datasets.rows import Split
from penstock.evaluation.thresholds import UNSURE
from penstock.tasks.text.data.options import TextOptions
from penstock.tasks.text.model.ngram_linear import NgramLinear
from penstock.tasks.text.model.ngrams import learn_vocabulary

TASK = installed.get("text-classification")


def model(*labels: str) -> Scripted:
    return Scripted(labels, {})


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match="unknown task 'oracle'") as caught:
        installed.get("oracle")
    assert "text-classification" in str(caught.value)
    assert all(name in str(caught.value) for name in installed.names())


def test_the_ladder_goes_from_cheap_to_dear() -> None:
    assert TASK.ladder == ("ngram-linear.v1", "static.v1", "frozen-linear.v1", "lora.v1", "full.v1", "blend.v1")
    assert (TASK.unit, TASK.quality[0]) == ("prediction", "accuracy")


def test_texts_are_taken_as_they_are() -> None:
    texts = ["Where is my order?", " 退款\n", "x" * 20_000, "😀"]
    assert TASK.parse(texts, model("a", "b")) == texts


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "empty"),
        (" \n\t　", "empty"),
        (3, "a number"),
        (True, "true or false"),
        (None, "null"),
        (["a"], "a list"),
        ({"text": "a"}, "an object"),
        ("x" * 20_001, "20,001 characters"),
        ("half \ud83d", "surrogate"),
    ],
)
def test_what_is_no_usable_text_is_refused_with_its_place(bad: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        TASK.parse(["fine", bad, None], model("a", "b"))
    assert caught.value.where == "inputs[1]"
    assert caught.value.hint


def test_an_answer_holds_the_likeliest_label_and_the_three_likeliest() -> None:
    row = np.array([0.1, 0.6, 0.05, 0.25], dtype=np.float32)
    assert TASK.render(model("a", "b", "c", "d"), "hello", row) == {
        "label": "b",
        "score": 0.6,
        "top": [{"label": "b", "score": 0.6}, {"label": "d", "score": 0.25}, {"label": "a", "score": 0.1}],
    }


def test_with_two_labels_there_are_two_and_ties_keep_the_labels_order() -> None:
    answer = TASK.render(model("yes", "no"), "hello", np.array([0.5, 0.5], dtype=np.float32))
    assert [entry["label"] for entry in answer["top"]] == ["yes", "no"]


def test_a_correction_becomes_a_row_to_train_on() -> None:
    assert TASK.correction("card lost", " lost card ") == {"text": "card lost", "label": "lost card"}


@pytest.mark.parametrize(
    ("asked", "said", "where"),
    [
        ("card lost", "  ", "correction"),
        ("card lost", "a\nb", "correction"),
        ("card lost", "x" * 201, "correction"),
        (2, "a", "inputs"),
        ({"text": "card lost"}, "a", "inputs"),
    ],
)
def test_a_correction_that_is_no_label_of_a_text_is_refused_with_its_place(asked: Any, said: str, where: str) -> None:
    with pytest.raises(BadInput) as caught:
        TASK.correction(asked, said)
    assert caught.value.where == where


def test_what_a_release_is_tried_with_is_what_customers_may_send() -> None:
    tried = model("a", "b")
    assert TASK.parse(TASK.probes(tried), tried) == TASK.probes(tried)


def test_below_its_threshold_an_answer_has_no_label_but_a_reason_and_the_best_guesses() -> None:
    row = np.array([0.55, 0.45], dtype=np.float32)
    unsure = replace(ngrams(), unsure_below=0.6)
    assert TASK.render(unsure, "x", row) == {
        "label": None,
        "score": 0.55,
        "top": [{"label": "a", "score": 0.55}, {"label": "b", "score": 0.45}],
        "reason": "unsure",
        "threshold": 0.6,
    }
    sure = TASK.render(replace(unsure, unsure_below=0.5), "x", row)
    assert (sure["label"], sure["reason"], sure["threshold"]) == ("a", None, 0.5)
    assert set(TASK.render(ngrams(), "x", row)) == {"label", "score", "top"}
    typed = texts.Label.from_output(TASK.render(unsure, "x", row))
    assert (typed.label, typed.reason, typed.top[0]) == (None, "unsure", ("a", 0.55))


def test_the_measures_of_an_unsure_model_are_counted_by_hand() -> None:
    answers = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.55, 0.45], [0.95, 0.05], [0.6, 0.4]], dtype=np.float32)
    test = Split(("a1", "b1", "b2", "a2"), ("a", "b", "b", "a"), TextOptions(abstain=True, robust_rows=0))
    test = replace(test, outside=("x", "y"))
    measured = TASK.measure(replace(ngrams(), unsure_below=0.65), test, answers, 0)
    values = {name: measured.quality[name].value for name in UNSURE}
    assert values == pytest.approx({"coverage": 3 / 4, "precision": 2 / 3, "out_of_scope_recall": 1 / 2})
    assert measured.quality["accuracy"].value == 3 / 4  # of the labelled rows, whatever the threshold
    assert len(measured.scores) == 4
    assert measured.sections[0].header == (
        "threshold",
        "share answered",
        "precision",
        "out-of-scope recall",
        "in use",
    )


def ngrams() -> NgramLinear:
    nothing = np.zeros((1, 2), dtype=np.float32)
    words = learn_vocabulary(["a text", "another text"], 10_000)
    weights = np.zeros((len(words), 2), dtype=np.float32)
    return NgramLinear(("a", "b"), words, weights, nothing[0], 1.0)
