"""Pretraining: from unlabelled texts to a folder that a product uses as its backbone; bad corpora; resuming exactly."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from penstock.core.errors import BadInput, Broken, Conflict
from penstock.datasets.rows import Split
from penstock.loader import Loader
from penstock.models.protocol import Parts
from penstock.runtime.progress import Progress
from penstock.storage.blobs import BlobStore
from penstock.tasks.text.model import frozen_linear as frozen_kind
from penstock.tasks.text.train import frozen_linear
from penstock.training.backbones import resolve
from penstock.training.pretrain import Plan, pretrain, run, words
from penstock.training.pretrain.corpus import read_corpus
from penstock.training.pretrain.counting import token_vectors
from penstock.training.pretrain.network import new_encoder
from penstock.training.records import TrainRequest
from penstock.workspace.records import Backbone

ROOMS = ("房间", "大堂", "浴室", "阳台", "餐厅", "走廊")
GOODS = ("手机", "平板", "屏幕", "电池", "键盘", "充电器")
SAID = ("很干净", "有点旧", "不错", "一般", "非常好", "让人失望", "比想象的好", "还可以")
TINY = Plan(vocab=500, layers=1, hidden=32, batch=16, masked_steps=6, contrast_steps=6)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 Chinese texts of two kinds, a hotel's and a shop's, whose words never mix."""
    draw = np.random.default_rng(0)
    lines = []
    for number in range(600):
        things, place = (ROOMS, "酒店") if number % 2 else (GOODS, "网店")
        said = "，".join(f"{draw.choice(things)}{draw.choice(SAID)}" for _ in range(draw.integers(2, 6)))
        lines.append(f"这家{place}的{said}，编号 {number}。")
    file = tmp_path_factory.mktemp("corpus") / "texts.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def made(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(corpus, tmp_path_factory.mktemp("own") / "backbone", TINY).folder


def test_a_corpus_becomes_a_backbone_that_a_product_can_stand_on(made: Path, tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "state" / "blobs")
    backbone = Loader(blobs).backbone(resolve(Backbone(source=f"path:{made}"), "own", blobs))
    assert (backbone.hidden, backbone.max_tokens) == (32, 128)
    hotel, other_hotel, shop = backbone.embed(["酒店的房间很干净", "酒店的大堂有点旧", "网店的手机电池不错"])
    assert hotel @ other_hotel > hotel @ shop
    texts = tuple(f"{place}{thing}" for thing in (*ROOMS, *GOODS) for place in ("我看了", "你的"))
    labels = tuple("hotel" if any(room in text for room in ROOMS) else "shop" for text in texts)
    trained = frozen_linear.train(TrainRequest(Split(texts, labels), backbone=backbone)).model
    answers = trained.predict(["我问浴室", "我问屏幕"]).argmax(axis=1)
    assert [trained.labels[answer] for answer in answers] == ["hotel", "shop"]


def test_transformers_reads_the_folder_too(made: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(made)
    assert tokenizer.mask_token_id == words.MASK and "房间" in tokenizer.tokenize("酒店的房间")
    model = transformers.AutoModel.from_pretrained(made)
    assert (
        model(**tokenizer("酒店", return_tensors="pt", return_token_type_ids=False)).last_hidden_state.shape[-1] == 32
    )


def test_the_card_tells_what_it_was_made_of(made: Path, corpus: Path) -> None:
    card = json.loads((made / "PRETRAIN.json").read_text())
    assert card["corpus"]["texts"] == 600 and card["corpus"]["files"] == {"texts.txt": 600}
    assert card["corpus"]["digest"] == read_corpus(corpus).digest
    assert card["steps"] == {"masked": 6, "contrast": 6} and card["plan"]["seed"] == 0
    losses = [loss for _, loss in card["curves"]["contrast"]["loss"]]
    assert len(losses) == 6 and all(np.isfinite(losses))
    assert sorted(file.name for file in made.iterdir()) == [
        "1_Pooling",
        "PRETRAIN.json",
        "config.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ], "and nothing of the work is left"


def test_counting_alone_puts_words_of_a_kind_together(corpus: Path) -> None:
    texts = read_corpus(corpus).texts
    tokenizer = words.learn_tokenizer(texts, 500)
    vocabulary = json.loads(tokenizer)["model"]["vocab"]
    assert {"房间", "手机", "电池"} <= set(vocabulary)
    assert len(vocabulary) <= 500 and max(len(token) for token in vocabulary if token[0] != "[") <= words.LONGEST_CJK
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    vectors = token_vectors(words.encode(tokenizer, texts), len(vocabulary), 32, seed=0)
    room, lobby, phone = (vectors[vocabulary[word]] for word in ("房间", "大堂", "手机"))
    assert room[:-1] @ lobby[:-1] > 2 * abs(room[:-1] @ phone[:-1])


def test_a_killed_pretraining_goes_on_exactly(
    corpus: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "own"
    monkeypatch.setattr(import_module("penstock.training.loop.fit"), "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        pretrain(corpus, out, TINY, progress=_stopping_at("contrast", 4))
    assert not (out / "PRETRAIN.json").exists()
    with pytest.raises(Conflict, match="interrupted here"):
        pretrain(corpus, out, TINY)
    again = pretrain(corpus, out, TINY, resume=True)
    assert again.card["resumed"] == 1
    assert any("resumed at step 3 of 6" in note for note in again.card["notes"]), again.card["notes"]
    for file in ("model.safetensors", "tokenizer.json"):
        assert (out / file).read_bytes() == (made / file).read_bytes(), file
    with pytest.raises(Conflict, match="is done"):
        pretrain(corpus, out, TINY, resume=True)


def test_a_changed_corpus_is_not_resumed(corpus: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "texts.txt", tmp_path / "own"
    own.write_bytes(corpus.read_bytes())
    with pytest.raises(KeyboardInterrupt):
        pretrain(own, out, TINY, progress=_stopping_at("masked", 2))
    own.write_text(own.read_text() + "\n一个新的文本")
    with pytest.raises(Conflict, match="its corpus changed"):
        pretrain(own, out, TINY, resume=True)


def test_minutes_decide_the_steps(corpus: Path) -> None:
    texts = read_corpus(corpus).texts
    tokenizer = words.learn_tokenizer(texts, 500)
    tokens = words.encode(tokenizer, texts)
    model = new_encoder(TINY, np.ones((500, 32), dtype=np.float32))
    plan = Plan(batch=16, minutes=60.0)
    masked, contrast = run.STAGES
    soon, later = time.perf_counter(), time.perf_counter() + 1_000_000
    assert run.steps_of(masked, plan, model, tokens, soon) == run.LEAST_STEPS, "the hour is over"
    assert run.steps_of(contrast, plan, model, tokens, later) == run.MOST_EPOCHS * 38, "enough for 600 texts"
    assert run.steps_of(masked, replace(plan, masked_steps=7), model, tokens, later) == 7


def test_a_budget_of_time_holds_with_all_that_belongs_to_it(corpus: Path, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path / "warm", TINY)  # what the first use of the libraries takes is the machine's
    plan = replace(TINY, minutes=0.2, masked_steps=None, contrast_steps=None)
    began = time.perf_counter()
    made = pretrain(corpus, tmp_path / "own", plan)
    assert time.perf_counter() - began < 60 * plan.minutes + _slack_s(), "reading, trying, training and writing"
    assert (tmp_path / "own" / "model.safetensors").is_file() and made.card["steps"]["masked"] > 0


def test_steps_that_take_longer_than_they_were_tried_at_are_cut_short(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "steps_of", lambda *_: 100_000)  # as if a tried step had been far too quick
    plan = replace(TINY, minutes=0.15, masked_steps=None, contrast_steps=None)
    began = time.perf_counter()
    made = pretrain(corpus, tmp_path / "own", plan)
    assert time.perf_counter() - began < 60 * plan.minutes + _slack_s()
    assert any("the time was over after step" in note for note in made.card["notes"])


def _slack_s() -> float:
    """A step cannot be cut short, nor the writing: 3 s on a machine of its own, more where others work beside."""
    return 3.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _texts(path: Path, count: int = 250) -> list[str]:
    return [f"text number {number} of {path.stem} about nothing at all" for number in range(count)]


def test_every_kind_of_file_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(_texts(folder / "a")))
    with gzip.open(folder / "b.txt.gz", "wt") as stream:
        stream.write("\n".join(_texts(folder / "b")))
    (folder / "c.jsonl").write_text("\n".join(json.dumps({"text": text, "id": 1}) for text in _texts(folder / "c")))
    (folder / "d.csv").write_text("id;text\n" + "\n".join(f'1;"{text}"' for text in _texts(folder / "d")))
    (folder / "notes.md").write_text("not read")
    found = read_corpus(folder)
    assert found.files == {"a.txt": 250, "b.txt.gz": 250, "c.jsonl": 250, "d.csv": 250}
    assert len(found.texts) == 1_000


def _bad(tmp_path: Path) -> Iterator[tuple[str, Path, str, str]]:
    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    many = "\n".join(_texts(Path("x")))
    yield "nothing there", tmp_path / "no.txt", "text", "no such file"
    yield "unknown type", file("a.docx", b"x"), "text", "type is unknown"
    yield "empty", file("b.txt", b"\n\n"), "text", "holds no texts"
    yield "one text again and again", file("c.txt", b"the same\n" * 500), "text", "1 different text of 8 characters"
    yield "another column", file("d.csv", b"message,label\na,b\n"), "text", "the columns found are: 'message', 'label'"
    yield "another name", file("e.jsonl", b'{"body": "a"}\n'), "text", "the names found are: 'body'"
    yield "no JSON", file("f.jsonl", b"a\n"), "text", "not valid JSON"
    yield "a number", file("g.jsonl", b'{"text": 3}\n'), "text", "is not a text"
    yield "another encoding", file("h.txt", "房间很干净\n".encode("gb18030")), "text", "gb18030"
    yield "broken gzip", file("i.txt.gz", many.encode()), "text", "gzip"


def test_a_corpus_that_cannot_train_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for case, place, column, said in _bad(tmp_path):
        with pytest.raises(BadInput) as caught:
            pretrain(place, tmp_path / "out", TINY, column=column)
        assert said in str(caught.value), f"{case}: {caught.value}"
        assert not (tmp_path / "out").exists(), case


def test_an_empty_folder_and_an_unwritable_one_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file of texts"):
        pretrain(tmp_path, tmp_path / "out", TINY)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        pretrain(corpus, tmp_path / "file" / "out", TINY)
    with pytest.raises(Conflict, match="something here already"):
        pretrain(corpus, corpus.parent, TINY)
    with pytest.raises(BadInput, match="no pretraining to resume"):
        pretrain(corpus, tmp_path / "out", TINY, resume=True)


@pytest.mark.parametrize("wrong", [{"vocab": 10}, {"hidden": 100}, {"layers": 0}, {"minutes": 0.0}])
def test_numbers_that_no_encoder_has_are_refused(corpus: Path, tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        pretrain(corpus, tmp_path / "out", Plan(**wrong))


def test_a_head_under_a_backbone_of_another_width_is_refused(made: Path, tiny_bert: Path, tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "state" / "blobs")
    loader = Loader(blobs)
    own, other = (
        loader.backbone(resolve(Backbone(source=f"path:{place}"), "own", blobs)) for place in (made, tiny_bert)
    )
    rows = Split(("酒店房间", "酒店大堂", "网店手机", "网店屏幕"), ("hotel", "hotel", "shop", "shop"))
    trained = frozen_linear.train(TrainRequest(rows, backbone=own))
    with pytest.raises(Broken, match=r"32|16"):
        frozen_kind.open_parts(
            Parts(trained.model.labels, trained.settings, trained.files.__getitem__, "the artifact", other)
        )
    anew = frozen_linear.train(TrainRequest(rows, backbone=other))
    assert anew.model.predict(rows.inputs).shape == (4, 2), "trained again on the other, it just works"


def _stopping_at(stage: str, step: int) -> Progress:
    """As a kill during that step."""

    def progress(name: str, done: float, total: float, note: str = "") -> None:
        if name == stage and done == step:
            raise KeyboardInterrupt

    return progress
