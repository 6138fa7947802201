"""The playground: every task's form becomes an input of its wire format, and a model answers without being billed."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour
from console.conftest import Browser

from penstock import installed
from penstock.console.pages.trying import input_of, place_of, segments
from penstock.console.trials import Trials
from penstock.core.errors import BadInput, Unavailable
from penstock.datasets.rows import Split
from penstock.metering.tables import usage_event
from penstock.tasks.text.data.label_sets import LabelledSets
from penstock.training.records import TrainRequest, save

TEXTS = ("my invoice is wrong", "the parcel is late")


@pytest.fixture
def model(harbour: Harbour) -> str:
    """The id of a candidate with a real model."""
    trained = installed.rungs()["ngram-linear.v1"].train(TrainRequest(Split(TEXTS * 8, ("billing", "delivery") * 8)))
    return harbour.candidate("helpdesk", "ngram-linear.v1", 117, artifact=save(trained, harbour.house.blobs)).id


def test_a_candidate_answers_with_scores_latency_and_the_words_that_decided(
    browser: Browser, harbour: Harbour, model: str
) -> None:
    with harbour.store.read() as tx:
        before = len(tx.all(sa.select(usage_event)))
    page = browser.fill_in(f"/try?model={model}", "/try", model=model, text=TEXTS[0], explain="yes").text
    assert "billing" in page and " ms" in page and "candidate 3" in page
    assert 'class="for s3"' in page and TEXTS[0] in page
    with harbour.store.read() as tx:
        assert len(tx.all(sa.select(usage_event))) == before


def test_what_cannot_be_read_comes_back_with_the_error_at_its_field(browser: Browser, model: str) -> None:
    refused = browser.fill_in(f"/try?model={model}", "/try", model=model, text=" ")
    assert refused.status_code == 422 and 'name="text" rows="4" required aria-invalid="true"' in refused.text
    assert browser.fill_in(f"/try?model={model}", "/try", model="helpdesk/99", text="x").status_code == 404


def test_a_model_that_is_not_whole_is_a_page_that_says_so(browser: Browser, harbour: Harbour) -> None:
    broken = browser.fill_in("/try", "/try", model=harbour.good, text="x")
    assert broken.status_code >= 400 and "<h1>" in broken.text


def test_a_file_may_be_sent_to_the_playground_only(browser: Browser) -> None:
    files = {"image": ("x.png", b"not an image", "image/png")}
    assert browser.post("/customers", data={"csrf": "x"}, files=files).status_code == 422
    assert browser.post("/try", data={"csrf": "0" * 64}, files=files).status_code == 403


@pytest.mark.parametrize(
    ("task", "form", "files", "wanted"),
    [
        ("text-classification", {"text": "hello"}, {}, "hello"),
        ("knowledge-answering", {"question": "Where?"}, {}, {"question": "Where?"}),
        ("knowledge-answering", {"question": "Where?", "locale": "en"}, {}, {"question": "Where?", "locale": "en"}),
        ("opinion-monitoring", {"text": "good"}, {}, {"text": "good", "time": "2026-11-15"}),
        ("recommendation", {"user": "u1"}, {}, {"user": "u1"}),
        ("recommendation", {"items": "i5, i9"}, {}, {"items": ["i5", "i9"]}),
        ("recommendation", {}, {}, {"popular": True}),
        ("tabular-classification", {"column:age": "41", "column:zip": "00501"}, {}, {"age": "41", "zip": "00501"}),
        ("tabular-regression", {"column:age": ""}, {}, {"age": None}),
        ("image-classification", {}, {"image": b"png"}, base64.b64encode(b"png").decode()),
    ],
)
def test_each_tasks_form_is_an_input_of_its_wire(
    task: str, form: dict[str, str], files: dict[str, bytes], wanted: Any
) -> None:
    assert input_of(installed.get(task).form, form, files, "2026-11-15") == wanted


def test_an_error_finds_its_field() -> None:
    assert place_of("table", "inputs[0].age") == "column:age"
    assert place_of("user", "inputs[0].items[2]") == "items"
    assert place_of("text", "inputs[0]") == "text"
    assert place_of("text", "explain") == "explain"
    with pytest.raises(BadInput):
        input_of("image", {}, {}, "")
    with pytest.raises(BadInput):
        input_of("json", {"json": "{"}, {}, "")


def test_an_explained_text_is_whole() -> None:
    parts = [{"start": 3, "end": 10, "weight": 2.0}, {"start": 14, "end": 19, "weight": -0.5}]
    found = segments(TEXTS[0], parts)
    assert "".join(one.text for one in found) == TEXTS[0]
    assert [(one.text, one.strength) for one in found if one.strength] == [("invoice", 3), ("wrong", 1)]


def test_a_try_takes_a_bounded_time_and_few_wait() -> None:
    trials = Trials(longest_s=0.05)
    assert trials.run(lambda: 7) == 7
    with pytest.raises(Unavailable, match="longer than"):
        trials.run(lambda: time.sleep(0.5))
    for _ in range(3):
        with pytest.raises(Unavailable, match="longer than"):
            trials.run(lambda: 7)
    time.sleep(0.6)
    assert trials.run(lambda: 8) == 8


def test_several_labels_stand_with_their_scores_and_thresholds_or_none(browser: Browser, harbour: Harbour) -> None:
    rows = LabelledSets(
        (*TEXTS, " and ".join(TEXTS), "hello") * 8, (("billing",), ("late",), ("billing", "late"), ()) * 8
    )
    trained = installed.rungs()["ngram-linear.v1"].train(TrainRequest(rows))
    artifact = save(trained, harbour.house.blobs)
    model = harbour.candidate("helpdesk", "ngram-linear.v1", 117, artifact=artifact).id
    both = browser.fill_in(f"/try?model={model}", "/try", model=model, text=" and ".join(TEXTS), explain="yes").text
    answer = both[both.index('<p class="big">') : both.index("Given from these scores on:")]
    assert "billing" in answer and "late" in answer and 'class="for s3"' in both
    none = browser.fill_in(f"/try?model={model}", "/try", model=model, text="hello").text
    assert "No label fits." in none
