"""Invariant 6: an answer does not depend on who else is being served. Alone and in any batch: the same bits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.loader import Loader
from penstock.models.backbone import Backbone
from penstock.models.protocol import Model
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model.frozen_linear import FrozenLinear
from penstock.tasks.text.model.ngram_linear import NgramLinear
from penstock.tasks.text.model.ngrams import learn_vocabulary

SEEN = ("where is my parcel", "i want my money back", "退款什么时候到账", "包裹还没到", "card declined 100%")
WORDS = st.sampled_from(
    ["where", "is my", "parcel", "money back", "please", "退款", "什么时候", "CARD", "１２３", "don't"]
)
TEXTS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=40).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)
BATCHES = st.lists(TEXTS, min_size=1, max_size=6)


@pytest.fixture(scope="module")
def backbone(minilm: tuple[BlobStore, str]) -> Backbone:
    return Loader(minilm[0]).backbone(minilm[1])


@pytest.fixture(scope="module")
def frozen(backbone: Backbone) -> FrozenLinear:
    random = np.random.default_rng(7)
    weights = random.normal(size=(backbone.hidden, 5), scale=9).astype(np.float32)
    return FrozenLinear(tuple("abcde"), backbone, weights, random.normal(size=5).astype(np.float32), 0.8)


@pytest.fixture(scope="module")
def ngram() -> NgramLinear:
    random = np.random.default_rng(7)
    vocabulary = learn_vocabulary(SEEN, 10_000)
    weights = random.normal(size=(len(vocabulary), 5), scale=3).astype(np.float32)
    return NgramLinear(tuple("abcde"), vocabulary, weights, random.normal(size=5).astype(np.float32), 0.2)


def same_alone(model: Model, texts: list[str]) -> None:
    together = model.predict(texts)
    alone = np.concatenate([model.predict([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    assert together[::-1].tobytes() == model.predict(texts[::-1]).tobytes()
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(texts=BATCHES)
def test_n_gram_answers_are_the_same_bits_alone_and_in_any_batch(ngram: NgramLinear, texts: list[str]) -> None:
    same_alone(ngram, texts)


@settings(max_examples=20, deadline=None)
@given(texts=BATCHES)
def test_encoder_answers_are_the_same_bits_alone_and_in_any_batch(frozen: FrozenLinear, texts: list[str]) -> None:
    same_alone(frozen, texts)


def test_threads_that_share_a_model_get_the_same_bits(frozen: FrozenLinear) -> None:
    texts = [" ".join(SEEN[: n % 5 + 1]) for n in range(24)]
    expected = frozen.predict(texts)
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda text: frozen.predict([text]), texts))
    assert np.concatenate(answers).tobytes() == expected.tobytes()


def test_bulk_vectors_for_training_equal_those_that_serve(backbone: Backbone) -> None:
    texts = ["a", *SEEN, "a text beyond the limit of tokens " * 80, *SEEN]
    seen: list[tuple[float, float]] = []
    bulk = backbone.embed_bulk(texts, lambda stage, done, total, note="": seen.append((done, total)))
    assert np.abs(bulk - backbone.embed(texts)).max() <= 1e-6
    assert np.linalg.norm(bulk, axis=1) == pytest.approx(1, abs=1e-5)
    assert seen[-1] == (len(texts), len(texts))
    assert backbone.embed([]).shape == backbone.embed_bulk([]).shape == (0, 384)


def test_texts_are_cut_at_the_models_limit(backbone: Backbone) -> None:
    assert backbone.max_tokens == 256
    words = ["parcel"] * 400
    assert backbone.embed([" ".join(words)]).tobytes() == backbone.embed([" ".join([*words, "refund"])]).tobytes()
