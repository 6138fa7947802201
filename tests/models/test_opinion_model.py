"""The opinion model: entities and sentiment of a document, the same alone and in any batch, saved or fresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.opinion_house import detector, mood, opinion_model, save_model, sentiment

from penstock.core.errors import BadInput, Broken
from penstock.loader import Loader
from penstock.models.protocol import Parts
from penstock.storage.blobs import BlobStore
from penstock.tasks.opinion.data import Document
from penstock.tasks.opinion.model.matcher import Matcher
from penstock.tasks.opinion.model.watching import FILE, KIND, OpinionModel, Watch, check, open_parts, to_files, tones_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEXTS = (
    "Harbour Air was lovely",
    "Tide Bank lost my money",
    "rain",
    "Harbour Air and tidebank, never again",
    "海港 Harbour Air",
)


def documents(*texts: str) -> list[Document]:
    return [Document(text, NOW, f"d{place}") for place, text in enumerate(texts)]


def test_scores_are_the_sentiment_and_a_flag_for_each_entity() -> None:
    model = opinion_model()
    assert model.labels == ("negative", "neutral", "positive", "Harbour Air", "Tidebank")
    answers = model.predict(documents(*TEXTS))
    assert answers[:, 3:].tolist() == [[1, 0], [0, 1], [0, 0], [1, 1], [1, 0]]
    assert answers[:, :3].argmax(axis=1)[:2].tolist() == [2, 0]
    assert np.array_equal(answers[:, :3], sentiment().predict(TEXTS))


@given(st.lists(st.sampled_from(TEXTS) | st.text(max_size=30), min_size=1, max_size=6))
def test_a_document_is_answered_alike_alone_and_in_any_batch(texts: list[str]) -> None:
    model = opinion_model()
    together = model.predict(documents(*texts))
    assert all(
        np.array_equal(model.predict([one])[0], row) for one, row in zip(documents(*texts), together, strict=True)
    )


def test_no_documents_are_no_rows() -> None:
    assert opinion_model().predict([]).shape == (0, 5)


def test_a_saved_model_answers_as_it_did(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    model = opinion_model()
    again = Loader(blobs).load(save_model(blobs, model))
    assert again.kind == KIND and again.labels == model.labels
    assert np.array_equal(again.predict(documents(*TEXTS)), model.predict(documents(*TEXTS)))


def test_parts_that_do_not_fit_are_refused() -> None:
    model = opinion_model()
    content = to_files(model.watch)

    def parts(**changes: object) -> Parts:
        settings = {"sentiment": "digest"}
        plain = Parts(model.labels, settings, content.__getitem__, "artifact", load=lambda digest: sentiment())
        return replace(plain, **changes)  # type: ignore[arg-type]

    assert open_parts(parts()).labels == model.labels
    for change in ({"labels": model.labels[:-1]}, {"load": None}, {"read": {FILE: b"{}"}.__getitem__}):
        with pytest.raises(Broken):
            open_parts(parts(**change))


def test_labels_are_given_their_tones_and_unknown_ones_are_refused() -> None:
    assert tones_of(("bad", "so-so", "good"), ["good"], ["bad"]) == {"bad": -1, "so-so": 0, "good": 1}
    with pytest.raises(BadInput, match="no label 'fine'") as refused:
        tones_of(("bad", "good"), ["fine"], ["bad"])
    assert refused.value.where == "options.positive"
    with pytest.raises(BadInput, match="positive and negative"):
        tones_of(("bad", "good"), ["good"], ["good"])


def test_an_entity_may_not_bear_a_sentiments_name() -> None:
    names = {"positive": (), "Tidebank": ()}
    known = sentiment()
    tones = tones_of(mood().model.labels, ["positive"], ["negative"])
    with pytest.raises(BadInput, match="positive"):
        check(OpinionModel(Watch(names, tones, detector()), Matcher(names), known))
