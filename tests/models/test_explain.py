"""Which words decided: for a linear model to the last digit, for any other by taking each word away."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.models.parts import MOST_SPANS, strongest
from penstock.models.protocol import Part
from penstock.tasks.text.model.cascade import Cascade
from penstock.tasks.text.model.explain import explain, steps
from penstock.tasks.text.model.ngram_linear import NgramLinear
from penstock.tasks.text.model.ngrams import grams, learn_vocabulary, sources
from penstock.tasks.text.model.spans import spans

TEXTS = (
    "Where is my parcel?",
    "I want my money back!!",
    "包裹到哪里了",
    "我要退款",
    "Ｗｈｅｒｅ is the ﬁle",
    "naïve café 😀",
)


def linear_model(labels: int = 3) -> NgramLinear:
    """A model of n-grams with random weights."""
    vocabulary = learn_vocabulary(TEXTS, 10_000)
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(len(vocabulary), labels)).astype(np.float32)
    return NgramLinear(tuple("abcdef"[:labels]), vocabulary, weights, draw.normal(size=labels).astype(np.float32), 0.7)


@dataclass(frozen=True)
class Refunds:
    """Says "refund" the surer the more words of money a text has. It cannot tell by which."""

    labels: tuple[str, ...] = ("other", "refund")
    kind: str = "refunds.v1"

    def predict(self, texts: Sequence[str]) -> Any:
        scores = np.array([text.count("money") + text.count("退") for text in texts], dtype=np.float64)
        refund = 1 / (1 + np.exp(1 - 2 * scores))
        return np.stack([1 - refund, refund], axis=1).astype(np.float32)


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_of_a_linear_model_add_up_to_its_score(text: str) -> None:
    model = linear_model()
    logits = (model.scores(text) - model.bias) / model.temperature
    for label in range(3):
        told = sum(part.weight for part in explain(model, text, label))
        assert told == pytest.approx(float(logits[label] - logits.mean()), abs=1e-4)


@given(st.text(max_size=40))
def test_every_n_gram_of_any_text_is_traced_to_characters_of_it(text: str) -> None:
    characters, words = sources(text)
    assert ([gram for gram, _ in characters], [gram for gram, _ in words]) == grams(text)
    stretches = [stretch for _, found in characters + words for stretch in found]
    assert all(0 <= start < end <= len(text) for start, end in stretches)


@given(st.text(max_size=60))
def test_parts_follow_each_other_and_cover_all_but_blanks(text: str) -> None:
    found = spans(text)
    covered = {at for start, end in found for at in range(start, end)}
    assert covered == {at for at, character in enumerate(text) if not character.isspace()}
    assert sum(end - start for start, end in found) == len(covered) and found == sorted(found)


def test_parts_are_words_and_of_chinese_single_characters() -> None:
    assert [text[start:end] for text in ("I don't know!!", "我要退款 now") for start, end in spans(text)] == (
        ["I", "don't", "know", "!!", "我", "要", "退", "款", "now"]
    )


def test_a_linear_model_names_the_word_it_learned() -> None:
    model = linear_model(2)
    model.weights[:] = 0
    model.weights[model.vocabulary.words["money"]] = [-1, 1]
    best, *rest = strongest(explain(model, "I want my money back!!", 1))
    assert best.weight > 0 and "I want my money back!!"[best.start : best.end] == "money"
    assert not rest


@pytest.mark.parametrize(("text", "word"), [("please give the money back", "money"), ("我要退款", "退")])
def test_any_other_model_is_asked_without_each_word(text: str, word: str) -> None:
    best, *rest = strongest(explain(Refunds(), text, 1))
    assert text[best.start : best.end] == word and best.weight == pytest.approx(1.0, abs=1e-3)  # 2 nats over two labels
    assert not rest
    assert strongest(explain(Refunds(), text, 0))[0].weight < 0


def test_a_long_text_costs_at_most_24_more_answers() -> None:
    text = "word " * 500 + "money " + "word " * 500
    parts = explain(Refunds(), text, 1)
    assert len(parts) <= MOST_SPANS
    best = strongest(parts)[0]
    assert "money" in text[best.start : best.end]


def test_a_long_texts_explanation_pauses_often_and_is_the_same() -> None:
    model = linear_model()
    text = " ".join(f"word{number} is where the parcel {number % 7} was" for number in range(600))[:20_000]
    whole = model.explain(text, 0)
    gc.disable()  # its own pauses are nobody's step
    made, longest, whole_s, pauses = steps(model, text, 0), 0.0, 0.0, 0
    while True:
        began = time.thread_time()
        try:
            next(made)
        except StopIteration as ended:
            assert ended.value == whole
            break
        spent = time.thread_time() - began
        longest, whole_s, pauses = max(longest, spent), whole_s + spent, pauses + 1
    gc.enable()
    assert pauses > 10 and longest < whole_s / 2  # 0.2 s of processor in one piece otherwise


def test_of_a_cascade_the_half_that_answered_explains() -> None:
    sure, unsure = Cascade(("other", "refund"), Refunds(), linear_model(2), 0.5), "我要退款"
    assert explain(sure, unsure, 1) == explain(Refunds(), unsure, 1)


def test_the_heaviest_parts_come_first_whichever_way_they_speak() -> None:
    parts = [Part(0, 1, 0.5), Part(2, 3, -2.0), Part(4, 5, 0.0), Part(6, 7, 1.0)]
    assert [part.weight for part in strongest(parts, 2)] == [-2.0, 1.0]
