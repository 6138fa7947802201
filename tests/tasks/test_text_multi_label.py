"""What a product gives whose texts have any number of labels, and what a customer may say of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from evaluation.measured import PRICE, Scripted
from serving.support import TinyModel

from penstock import installed
from penstock.cli.predict import _row
from penstock.client import core, texts
from penstock.core.errors import BadInput
from penstock.pipeline.feedback_pages import corrected, short
from penstock.workspace.records import Product

SINGLE = installed.get("text-classification")


def product(**options: Any) -> Product:
    stated = {"task": SINGLE.name, "data": "x.csv", "gate": {}, "price": PRICE, "options": options}
    return Product.model_validate(stated)


TASK = installed.of(product(multi_label=True))


class Several(TinyModel):
    thresholds = np.array([0.5, 0.25, 0.75, 0.5], dtype=np.float32)


MODEL = Several(("a", "b", "c", "d"), seed=0)


def render(*scores: float) -> dict[str, Any]:
    return TASK.render(MODEL, "a text", np.array(scores, dtype=np.float32))


def test_the_option_chooses_the_form_of_the_task() -> None:
    assert installed.of(product()) is SINGLE and installed.of(product(multi_label=False)) is SINGLE
    assert (TASK.name, TASK.several_labels, SINGLE.several_labels) == (SINGLE.name, True, False)
    assert TASK.ladder == ("ngram-linear.v1", "frozen-linear.v1")
    assert TASK.quality == ("micro_f1", "macro_f1", "exact_match", "ece", "robust_exact_match")


def test_an_answer_holds_the_labels_from_their_thresholds_on() -> None:
    assert render(0.6, 0.3, 0.7, 0.1) == {
        "labels": [{"label": "a", "score": 0.6}, {"label": "b", "score": 0.3}],
        "top": [
            {"label": "c", "score": 0.7, "threshold": 0.75},
            {"label": "a", "score": 0.6, "threshold": 0.5},
            {"label": "b", "score": 0.3, "threshold": 0.25},
        ],
    }
    assert render(0.1, 0.2, 0.1, 0.1)["labels"] == []
    assert [one["label"] for one in render(0.5, 0.25, 0.75, 0.5)["labels"]] == ["c", "a", "d", "b"]


def test_what_is_live_decides_what_is_answered_not_what_the_file_says_by_now() -> None:
    scores = np.array([0.6, 0.3, 0.1, 0.0], dtype=np.float32)
    assert "labels" in SINGLE.render(MODEL, "a text", scores)
    assert TASK.render(Scripted(("a", "b", "c", "d"), {}), "a text", scores)["label"] == "a"


def test_the_schema_describes_the_answer() -> None:
    described, answer = TASK.output_schema["properties"], render(0.6, 0.3, 0.7, 0.1)
    assert set(answer) <= set(described) and set(TASK.output_schema["required"]) <= set(answer)
    for part in ("labels", "top"):
        assert set(answer[part][0]) == set(described[part]["items"]["properties"])


@pytest.mark.parametrize(
    ("said", "labels"),
    [('["late", "bill", "late"]', ["bill", "late"]), ("[]", []), ("late", ["late"]), (" late ", ["late"])],
)
def test_a_correction_is_a_list_of_labels_or_one(said: str, labels: list[str]) -> None:
    assert TASK.correction("a text", said) == {"text": "a text", "labels": labels}


@pytest.mark.parametrize("said", ['["a", ""]', '["a", 1]', json.dumps(["x"] * 101), json.dumps(["x" * 201]), "  "])
def test_what_is_no_list_of_labels_is_refused(said: str) -> None:
    with pytest.raises(BadInput) as caught:
        TASK.correction("a text", said)
    assert caught.value.where == "correction"


def test_the_client_reads_the_labels_and_sends_a_list_back() -> None:
    answer = texts.Labels.from_output({**render(0.6, 0.3, 0.7, 0.1), "explanation": []})
    assert answer.labels == (("a", 0.6), ("b", 0.3)) and answer.names == ("a", "b")
    assert answer.top[0] == ("c", 0.7) and answer.thresholds == (0.75, 0.5, 0.25)
    body = json.loads(core.feedback("req_1", 0, None, answer.names, "").body or b"")
    assert body["correction"] == ["a", "b"]
    assert json.loads(core.feedback("req_1", 0, None, [], "").body or b"")["correction"] == []
    call = texts.multi_label("tickets", "only one")
    assert json.loads(call.body or b"") == {"inputs": ["only one"]} and call.path == "/v1/products/tickets/predict"


def test_answers_and_corrections_read_well_in_a_table() -> None:
    assert short(render(0.6, 0.3, 0.7, 0.1)) == "a (0.60), b (0.30)"
    assert short(render(0.1, 0.1, 0.1, 0.1)) == "no label"
    row = _row("a text", render(0.6, 0.3, 0.7, 0.1))
    assert (row["answer"], row["next"]) == ("a (0.60), b (0.30)", "c 0.70")
    assert [corrected(said) for said in ('["a", "b"]', "[]", "a", "[not a list", None)] == [
        "a, b",
        "no label",
        "a",
        "[not a list",
        "",
    ]
