"""What customers may send to a text classifier, and what they get back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock import tasks
from penstock.core.errors import BadInput, NotFound

TASK = tasks.get("text-classification")


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match="unknown task 'oracle'") as caught:
        tasks.get("oracle")
    assert "text-classification" in str(caught.value)
    assert tasks.names() == ("text-classification",)


def test_the_ladder_goes_from_cheap_to_dear() -> None:
    assert TASK.ladder == ("ngram-linear.v1", "frozen-linear.v1")
    assert (TASK.unit, TASK.columns) == ("prediction", ("text", "label"))


def test_texts_are_taken_as_they_are() -> None:
    texts = ["Where is my order?", " 退款\n", "x" * 20_000, "😀"]
    assert TASK.parse_inputs(texts) == texts


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
        TASK.parse_inputs(["fine", bad, None])
    assert caught.value.where == "inputs[1]"
    assert caught.value.hint


def test_an_answer_holds_the_likeliest_label_and_the_three_likeliest() -> None:
    row = np.array([0.1, 0.6, 0.05, 0.25], dtype=np.float32)
    assert TASK.render(("a", "b", "c", "d"), row) == {
        "label": "b",
        "score": 0.6,
        "top": [{"label": "b", "score": 0.6}, {"label": "d", "score": 0.25}, {"label": "a", "score": 0.1}],
    }


def test_with_two_labels_there_are_two_and_ties_keep_the_labels_order() -> None:
    answer = TASK.render(("yes", "no"), np.array([0.5, 0.5], dtype=np.float32))
    assert [entry["label"] for entry in answer["top"]] == ["yes", "no"]
