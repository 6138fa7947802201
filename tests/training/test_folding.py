"""A text and its NFKC form (full-width letters, half-width kana, ligatures) get the same answer from every text model:
from the one just trained, and from the one that is loaded from its artifact and served."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock import installed
from penstock.core.errors import BadInput
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.protocol import Model
from penstock.storage.blobs import BlobStore
from penstock.tasks.knowledge.data.entries import Entry
from penstock.tasks.knowledge.data.parts import Asked, Knowledge
from penstock.tasks.knowledge.model.answering import Question
from penstock.training.backbones import folding, resolve
from penstock.training.compress.records import CompressRequest
from penstock.training.records import TrainRequest, save
from penstock.workspace.records import Backbone as Source

pytest.importorskip("torch")

NORMALIZERS: Mapping[str, Any] = {
    "none": None,
    "bert": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "sequence": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
    "folds": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
}
WRITTEN = (
    *("ｒｅｆｕｎｄ ｍｙ ｃｏａｔ", "ﾊﾞｯｸﾞ を ｷｬﾝｾﾙ", "Ｗｈｅｒｅ　ｉｓ ｉｔ？"),
    *("oﬃce ﬁx ①②½ ℡ e\u0301", "refund my coat"),
)
SIGNS = "abc refund é\u0301\u3099　！？ＡＺａｚ０９ｱｶﾊﾞﾟｰﾝガ退款ﬁﬃ①½℡㎏㈱Ⅳ²…Å"
TEXTS = st.text(st.sampled_from(SIGNS) | st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=24)
RUNG_NAMES = ("ngram-linear.v1", "static.v1", "frozen-linear.v1", "lora.v1", "full.v1", "blend.v1")
QUICK = {"epochs": 1, "batch": 16, "precision": "float32", "least_steps": 2, "adversarial": 0.0}


def fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def with_normalizer(own: Any) -> bytes:
    """A tokenizer of single characters."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    signs = sorted({sign for text in WRITTEN for sign in (*text, *fold(text), *fold(text).lower())})
    made = Tokenizer(models.BPE({"[UNK]": 0, **{sign: 1 + at for at, sign in enumerate(signs)}}, [], unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return json.dumps({**json.loads(made.to_str()), "normalizer": own}).encode()


@pytest.mark.parametrize("name", NORMALIZERS)
def test_an_exported_tokenizer_reads_a_text_as_its_folded_form(name: str) -> None:
    from tokenizers import Tokenizer

    read = Tokenizer.from_str(folding(with_normalizer(NORMALIZERS[name]), "b").decode())

    @given(TEXTS)
    @settings(max_examples=150, deadline=None)
    def holds(text: str) -> None:
        found = read.encode(text)
        assert found.ids == read.encode(fold(text)).ids
        assert all(0 <= start <= end <= len(text) for start, end in found.offsets), "places are those of the text sent"

    holds()


def test_a_tokenizer_that_folds_stays_as_it_is_and_none_is_folded_twice() -> None:
    folds = with_normalizer(NORMALIZERS["folds"])
    assert folding(folds, "b") is folds
    once = folding(with_normalizer(NORMALIZERS["bert"]), "b")
    assert folding(once, "b") is once


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b'{"normalizer": 3}', b'{"normalizer": {"type": "Sequence"}}', b"\xff"]
)
def test_what_is_no_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        folding(content, "backbones.own")


@pytest.fixture
def on_bert(orders: Split, tiny_bert: Path, tmp_path: Path) -> TrainRequest:
    blobs = BlobStore(tmp_path / ".penstock" / "blobs")
    backbone = Loader(blobs).backbone(resolve(Source(source=f"path:{tiny_bert}"), "tiny", blobs))
    return TrainRequest(orders, backbone, blobs=blobs, load=Loader(blobs).load)


def answers_alike(model: Model, text: Any, asked: type = str) -> bool:
    one, two = (model.predict([asked(each)]) for each in (text, fold(text)))
    return one.tobytes() == two.tobytes()


@pytest.mark.parametrize("rung", RUNG_NAMES)
def test_every_rung_of_texts_answers_a_text_as_its_folded_form(rung: str, on_bert: TrainRequest) -> None:
    recipe = QUICK if installed.rungs()[rung].space else {}
    made = installed.rungs()[rung].train(replace(on_bert, recipe=recipe))
    assert on_bert.blobs is not None
    served = Loader(on_bert.blobs).load(save(made, on_bert.blobs))

    @given(TEXTS)
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def holds(text: str) -> None:
        assert answers_alike(made.model, text) and answers_alike(served, text)

    holds()
    assert all(answers_alike(served, text) for text in WRITTEN)
    assert not np.array_equal(served.predict(["abc abc"]), served.predict(["hij hij"])), "it reads what it is sent"


@pytest.mark.parametrize(
    ("by", "options"), [("prune.v1", {"layers": 1}), ("distil.v1", {"layers": 1}), ("int8.v1", {})]
)
def test_what_is_compressed_folds_as_before(by: str, options: dict[str, Any], on_bert: TrainRequest) -> None:
    assert on_bert.blobs is not None
    source, loader = save(installed.rungs()["frozen-linear.v1"].train(on_bert), on_bert.blobs), Loader(on_bert.blobs)
    request = CompressRequest(
        source=loader.load(source),
        source_artifact=source,
        train=on_bert.train,
        blobs=on_bert.blobs,
        load=loader.load,
        options=options,
        recipe={} if by == "int8.v1" else {"epochs": 1.0},
    )
    served = loader.load(save(installed.compressions()[by].compress(request), on_bert.blobs))
    assert all(answers_alike(served, text) for text in WRITTEN)


def test_questions_and_entries_fold_too(on_bert: TrainRequest) -> None:
    things = ("lamp", "chair", "bag", "coat")
    entries = [Entry(one, f"what does the {one} cost", f"See the {one}.", (f"price of the {one}",)) for one in things]
    base = Knowledge(tuple(entries), (Asked("what time is it", None),))
    served = installed.rungs()["frozen-answer.v1"].train(replace(on_bert, train=base)).model
    assert all(answers_alike(served, text, Question) for text in (*WRITTEN, "ｐｒｉｃｅ ｏｆ ｔｈｅ ｌａｍｐ"))
