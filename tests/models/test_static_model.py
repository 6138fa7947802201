"""What a static model answers: the same bits alone and in any batch, and which words decided, exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.errors import Broken
from penstock.loader import Loader
from penstock.models.protocol import Parts
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model.static import KIND, MOST_TOKENS, TOKENIZER, Static, open_parts, to_files
from penstock.training.records import Trained, save

LABELS = ("cancel", "refund", "track")
WORDS = ("where", "is", "my", "parcel", "money", "back", "please", "退", "款", "card", "##s", "!")
TEXTS = st.one_of(
    st.lists(st.sampled_from([*WORDS, "cards", "退款", "PARCEL", "zebra"]), min_size=1, max_size=40).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)


def tokenizer_json() -> bytes:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: number for number, word in enumerate(("[PAD]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer.to_str().encode()


def files(width: int = 16) -> dict[str, bytes]:
    draw = np.random.default_rng(3)
    count = len(WORDS) + 2
    table = np.concatenate([np.zeros((1, width)), draw.normal(size=(count - 1, width))]).astype(np.float32)
    rows = np.array([0, *range(1, count)])  # the padding has no vector
    weights = draw.normal(size=(width, len(LABELS)), scale=5).astype(np.float32)
    return to_files(tokenizer_json(), table, rows, weights, draw.normal(size=len(LABELS)).astype(np.float32))


def opened(given: dict[str, bytes], **changed: float) -> Static:
    return open_parts(Parts(LABELS, {"temperature": 0.8, **changed}, given.__getitem__, "here"))


@pytest.fixture(scope="module")
def model() -> Static:
    return opened(files())


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_answers_are_the_same_bits_alone_and_in_any_batch(model: Static, texts: list[str]) -> None:
    together = model.predict(texts)
    assert together.tobytes() == np.concatenate([model.predict([text]) for text in texts]).tobytes()
    assert together[::-1].tobytes() == model.predict(texts[::-1]).tobytes()
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, label=st.integers(0, 2))
def test_what_the_words_add_is_the_score_but_for_the_bias(model: Static, text: str, label: int) -> None:
    parts = model.explain(text, label)
    if not parts:
        return
    logits = np.log(model.predict([text])[0].astype(np.float64))
    rest = (model.bias[label] - model.bias.mean()) / model.temperature
    assert sum(part.weight for part in parts) + rest == pytest.approx(logits[label] - logits.mean(), abs=2e-3)
    assert all(0 <= part.start < part.end <= len(text) for part in parts)


def test_a_words_pieces_are_told_as_one_word(model: Static) -> None:
    text = "my cards please"
    assert [text[part.start : part.end] for part in model.explain(text, 1)] == ["my", "cards", "please"]


def test_a_token_that_begins_at_a_blank_or_holds_two_characters_is_told_of_its_own_words() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"<unk>": 0, "▁my": 1, "▁lost": 2, "▁包裹": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    table = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 4]], dtype=np.float32)
    head = np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.float32)
    model = opened(to_files(tokenizer.to_str().encode(), table, np.arange(4), *head), temperature=1.0)
    length = np.sqrt(21)
    text = "my lost 包裹"
    parts = model.explain(text, 2)
    assert [text[part.start : part.end] for part in parts] == ["my", "lost", "包", "裹"]
    told = [part.weight * length for part in parts]
    assert told == pytest.approx([-1 / 3, -2 / 3, 4 / 3, 4 / 3], abs=1e-3)  # 4 less a third of it, for two characters


def test_no_texts_and_a_text_of_nothing_known_are_answered(model: Static) -> None:
    assert model.predict([]).shape == (0, 3)
    assert np.isfinite(model.predict(["\u200b", " "])).all()


def test_a_very_long_text_is_cut(model: Static) -> None:
    long = "parcel " * MOST_TOKENS
    assert model.predict([long]).tobytes() == model.predict([long + "money"]).tobytes()


def test_saved_and_loaded_it_answers_the_same_bits(model: Static, blobs: BlobStore) -> None:
    trained = Trained(model=model, files=files(), settings={"temperature": 0.8}, seconds=0)
    reloaded = Loader(blobs).load(save(trained, blobs))
    assert reloaded.kind == KIND
    assert reloaded.predict(["where is my parcel"]).tobytes() == model.predict(["where is my parcel"]).tobytes()


@pytest.mark.parametrize("content", [b"{}", json.dumps({"model": {"type": "Unheard"}}).encode()])
def test_a_damaged_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(Broken, match="tokenizer cannot be read"):
        opened({**files(), TOKENIZER: content})


def test_a_table_that_does_not_fit_is_refused() -> None:
    draw = np.ones((14, 16), dtype=np.float32)
    head = np.ones((16, 3), dtype=np.float32), np.zeros(3, dtype=np.float32)
    with pytest.raises(Broken, match="table of vectors is damaged"):  # the first row is for what has no vector
        opened(to_files(tokenizer_json(), draw, np.zeros(14, dtype=np.int64), *head))
    draw[0] = 0
    with pytest.raises(Broken, match="does not fit its tokenizer"):
        opened(to_files(tokenizer_json(), draw, np.full(14, 14), *head))
    with pytest.raises(Broken, match="not finite"):
        opened(files(), temperature=0.0)
