"""What customers may send to a text classifier, and what they get back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluation.measured import Scripted

from penstock import tasks
from penstock.core.errors import BadInput, NotFound

TASK = tasks.get("text-classification")


def model(*labels: str) -> Scripted:
    return Scripted(labels, {})


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match="unknown task 'oracle'") as caught:
        tasks.get("oracle")
    assert "text-classification" in str(caught.value)
    assert all(name in str(caught.value) for name in tasks.names())


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
