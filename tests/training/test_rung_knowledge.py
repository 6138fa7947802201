"""The rungs find entries by words and by meaning, know when they do not, and tune an encoder in a few steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.loader import Loader
from penstock.models.protocol import NEVER
from penstock.storage.blobs import BlobStore
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.data.parts import Asked, Knowledge, knowledge_of
from penstock.tasks.knowledge.model.answering import Answering, Question
from penstock.tasks.knowledge.model.lexicon import make_lexicon
from penstock.tasks.knowledge.model.tokenizer import pieces, words
from penstock.tasks.knowledge.train import RUNGS, calibration, tuned
from penstock.training.backbones import resolve
from penstock.training.records import TrainRequest, save
from penstock.training.thresholds import pick_threshold
from penstock.workspace.records import Backbone

THINGS = ("lamp", "chair", "table", "sofa", "shelf", "carpet")
ENTRIES = tuple(
    Entry(
        f"{kind}-{thing}",
        ask.format(thing),
        answer.format(thing),
        tuple(way.format(thing) for way in ways),
    )
    for thing in THINGS
    for kind, ask, answer, *ways in (
        ("price", "what does the {} cost", "It is on the page of the {}.", "price of the {}", "how much is a {}"),
        ("wash", "how do I clean the {}", "Wipe the {} with a cloth.", "cleaning my {}", "can I wash the {}"),
    )
)
BASE = Knowledge(ENTRIES, (Asked("what time is it", None), Asked("tell me a joke", None)))


def found(model: Answering, text: str) -> str:
    return model.labels[int(model.predict([Question(text)])[0].argmax())]


@pytest.fixture
def request_on(tiny_bert: Path, tmp_path: Path) -> TrainRequest:
    """A request on an encoder of random weights: what needs no meaning can be seen on it in a second."""
    blobs = BlobStore(tmp_path / "ws" / ".penstock" / "blobs")
    digest = resolve(Backbone(source=f"path:{tiny_bert}"), "tiny", blobs)
    return TrainRequest(train=BASE, backbone=Loader(blobs).backbone(digest), blobs=blobs)


@pytest.mark.parametrize("rung", RUNGS[:3], ids=lambda rung: rung.name)
def test_a_rung_answers_and_comes_back_from_its_artifact(rung, request_on: TrainRequest) -> None:  # type: ignore[no-untyped-def]
    trained = rung.train(request_on)
    if rung.name != "frozen-answer.v1":  # random weights mean nothing
        assert found(trained.model, "how do I clean the sofa") == "wash-sofa"
    assert request_on.blobs is not None
    loaded = Loader(request_on.blobs).load(save(trained, request_on.blobs))
    asked = [Question("price of a shelf?"), Question(""), Question("carpet")]
    assert loaded.kind == rung.name
    assert np.abs(loaded.predict(asked) - trained.model.predict(asked)).max() <= 1e-6
    alone = np.concatenate([loaded.predict([one]) for one in asked])
    assert alone.tobytes() == loaded.predict(asked).tobytes()


def test_a_few_steps_tune_the_encoder_and_it_is_kept_as_a_backbone(
    request_on: TrainRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuned, "RECIPE", replace(tuned.RECIPE, least_steps=2))
    trained = RUNGS[3].train(request_on)
    assert request_on.blobs is not None and trained.backbone not in (None, request_on.backbone.digest)
    loaded = Loader(request_on.blobs).load(save(trained, request_on.blobs))
    asked = [Question("price of a shelf?"), Question("cleaning")]
    assert loaded.predict(asked).tobytes() == trained.model.predict(asked).tobytes()


def test_tuning_says_when_the_original_is_gone(request_on: TrainRequest) -> None:
    assert request_on.blobs is not None
    for memory in (request_on.blobs.folder.parent / "backbones").iterdir():
        memory.unlink()
    with pytest.raises(BadInput, match="original is not known here"):
        RUNGS[3].train(request_on)


def test_meaning_needs_a_backbone_and_words_do_not() -> None:
    with pytest.raises(BadInput, match="needs a backbone"):
        RUNGS[2].train(TrainRequest(train=BASE))
    with pytest.raises(BadInput, match="no entries"):
        RUNGS[0].train(TrainRequest(train=Knowledge((), ())))
    assert found(RUNGS[0].train(TrainRequest(train=BASE)).model, "wash the chair") == "wash-chair"


def test_without_paraphrases_the_usual_weights_serve() -> None:
    bare = Knowledge(tuple(Entry(e.id, e.question, e.answer) for e in ENTRIES), ())
    trained = RUNGS[0].train(TrainRequest(train=bare))
    assert "no paraphrases" in trained.notes[1] and found(trained.model, "cost of the table") == "price-table"


def test_the_note_tells_what_the_threshold_in_use_gives_where_paraphrases_are_few() -> None:
    few = RUNGS[0].train(TrainRequest(train=BASE, options={"target_precision": 0.5}))
    sure = RUNGS[0].train(TrainRequest(train=BASE, options={"target_precision": 0.999}))
    assert "found on 36 paraphrases" in few.notes[1] and re.search(
        r": [1-9]\d*% answered, \d+\.\d% of it right", few.notes[1]
    )
    assert "none of them is answered; give more paraphrases" in sure.notes[1]


def test_the_same_rows_in_another_order_make_the_same_model(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    rows = [entry.to_json() | {"origin": "faq.csv:2"} for entry in ENTRIES]
    other, ordered = knowledge_of(rows), knowledge_of(rows[::-1])
    digests = {save(RUNGS[0].train(TrainRequest(train=each)), blobs) for each in (other, ordered)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("text", "as_words"),
    [
        ("Where's my ORDER?", ("where", "s", "my", "order")),
        ("怎么退货", ("怎么", "么退", "退货")),
        ("退", ("退",)),
        ("iPhone15怎么充电", ("iphone15", "怎么", "么充", "充电")),
        ("ＡＢＣ１", ("abc1",)),
        ("?!", ()),
    ],
)
def test_words_of_any_script(text: str, as_words: Sequence[str]) -> None:
    assert words(text) == tuple(as_words)


def test_pieces_survive_a_slip_of_the_finger() -> None:
    one, other = set(pieces("descale")), set(pieces("descalle"))
    assert len(one & other) / len(one | other) > 0.5
    assert {"退", "货", "退货"} <= set(pieces("退货"))


def test_a_threshold_keeps_its_promise_with_one_wrong_answer_to_spare() -> None:
    scores = np.linspace(0.99, 0.01, 100)
    right = np.arange(100) < 60
    weights = np.full(100, 0.7 / 100), np.full(100, 0.3 / 100)
    threshold, precision, coverage = pick_threshold((scores, right), np.full(100, 0.005), weights, 0.9)
    assert precision >= 0.9 and 0.3 < threshold < 0.45 and 0.4 < coverage < 0.6
    nothing = pick_threshold((scores[:3], right[:3]), np.zeros(3), (np.full(3, 0.3), np.full(3, 0.1)), 0.9)
    assert nothing[0] == NEVER  # three right answers promise nothing
    assert calibration.ENOUGH_ROWS > 3


def test_a_document_that_joins_scores_as_it_would_have_among_the_others() -> None:
    documents = [words(entry.question) for entry in ENTRIES]
    lexicon, asked = make_lexicon(documents), words("how do I clean the grey lamp")
    alone = [lexicon.score_of(document, asked) for document in documents]
    assert np.abs(np.array(alone) - lexicon.scores(asked)).max() < 1e-5
    assert 0 < max(alone) < 1 and lexicon.score_of((), asked) == 0.0
    changed = lexicon.changed(np.array([0, 3]), [documents[1]])
    assert np.abs(changed.scores(asked) - lexicon.scores(asked)[[0, 3, 1]]).max() < 1e-5
    again = changed.changed(np.array([1, 2]), [documents[5]])
    assert np.abs(again.scores(asked) - lexicon.scores(asked)[[3, 1, 5]]).max() < 1e-5
