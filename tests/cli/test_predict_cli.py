"""`penstock predict` and the names of candidates and releases: the same words work in every command."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from analytics.harbour import Harbour, open_harbour

from penstock import installed
from penstock.cli.root import run
from penstock.core.clock import SettableClock
from penstock.core.errors import BadInput
from penstock.core.ids import random_ids
from penstock.datasets.rows import Split
from penstock.installed import get
from penstock.metering.tables import usage_event
from penstock.pipeline.trying_inputs import inputs_in_file, inputs_of_words
from penstock.storage import migrate
from penstock.storage.engine import Store, open_engine
from penstock.training.records import TrainRequest, save

TEXTS = ("my invoice is wrong", "the parcel is late")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    url = f"sqlite:///{tmp_path / 'penstock.sqlite'}"
    migrate.upgrade(url)
    monkeypatch.setenv("PENSTOCK_DATABASE", url)
    store = Store(open_engine(url), "main", SettableClock(datetime(2026, 11, 15, tzinfo=UTC)), random_ids)
    here = open_harbour(tmp_path, store)
    model = installed.rungs()["ngram-linear.v1"].train(TrainRequest(Split(TEXTS * 8, ("billing", "delivery") * 8)))
    for _ in range(2):
        here.candidate("helpdesk", "ngram-linear.v1", 117, artifact=save(model, here.house.blobs))
    yield here
    store.close()


@pytest.fixture
def call(harbour: Harbour, capsys: pytest.CaptureFixture[str]) -> Call:
    def said(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([*words, "--workspace", str(harbour.house.folder)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return said


def test_any_candidate_answers_before_anything_is_sold_and_nothing_is_recorded(harbour: Harbour, call: Call) -> None:
    code, out, err = call("predict", "helpdesk", *TEXTS, "--explain", "--json")
    told = json.loads(out)
    assert code == 0 and (told["product"], told["number"], told["release"]) == ("helpdesk", 2, None)
    assert [one["output"]["label"] for one in told["results"]] == ["billing", "delivery"]
    assert "invoice" in {part["text"] for part in told["results"][0]["output"]["explanation"]}
    assert "not recorded, not billed" in err
    with harbour.store.read() as tx:
        assert tx.all(sa.select(usage_event)) == []


def test_a_candidate_and_a_release_have_the_same_names_everywhere(harbour: Harbour, call: Call) -> None:
    for words in (("helpdesk/1",), ("helpdesk", "--candidate", "helpdesk/1"), ("helpdesk", "--candidate", "1")):
        product, *rest = words
        assert json.loads(call("predict", product, "hi", *rest, "--json")[1])["number"] == 1
        assert json.loads(call("report", *words, "--json")[1])["candidate"]["number"] == 1
    made = json.loads(call("release", "helpdesk", "--candidate", "helpdesk/1", "--json")[1])
    assert made["number"] == 1
    for name in ("1", "helpdesk/1", made["id"]):
        told = json.loads(call("predict", "helpdesk", "hi", "--release", name, "--json")[1])
        assert (told["number"], told["release"]) == (1, 1)
    assert call("release", "helpdesk/1", "--candidate", "2")[0] == 2
    assert call("predict", "helpdesk", "hi", "--candidate", "kefu/1")[0] == 2
    assert call("predict", "helpdesk", "hi", "--release", "9")[0] == 2


def test_lists_need_no_product(call: Call) -> None:
    for words in (("candidates",), ("releases",), ("runs", "list"), ("data", "versions"), ("feedback", "list")):
        code, out, _ = call(*words, "--json")
        assert code == 0 and isinstance(json.loads(out), list)
    assert {one["product"] for one in json.loads(call("candidates", "--json")[1])} == {"helpdesk"}
    assert call("runs", "list", "--sort", "accuracy")[0] == 2


def test_inputs_come_from_the_line_a_pipe_or_a_file(
    harbour: Harbour, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f'{TEXTS[0]}\n\n"{TEXTS[1]}"\n'))
    assert [one["input"] for one in json.loads(call("predict", "helpdesk", "--json")[1])["results"]] == list(TEXTS)
    many = tmp_path / "many.csv"
    many.write_text("id,text\n" + "".join(f'{n},"{TEXTS[n % 2]}, {n}"\n' for n in range(230)))
    results = json.loads(call("predict", "helpdesk", "--file", str(many), "--json")[1])["results"]
    assert len(results) == 230 and results[-1]["input"] == f"{TEXTS[1]}, 229"
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"text": TEXTS[0]}) + "\n" + json.dumps(TEXTS[1]) + "\n")
    assert len(json.loads(call("predict", "helpdesk", "--file", str(lines), "--json")[1])["results"]) == 2
    lines.write_text("".join(json.dumps("fine") + "\n" for _ in range(120)) + "7\n")
    code, _, err = call("predict", "helpdesk", "--file", str(lines))
    assert code == 2 and "inputs[120]" in err
    for wrong in (("--file", "none.csv"), ("hi", "--file", str(lines)), ("--file", str(tmp_path))):
        assert call("predict", "helpdesk", *wrong)[0] == 2


def test_objects_and_images_are_inputs_too(harbour: Harbour, tmp_path: Path) -> None:
    product = harbour.house.workspace.products["helpdesk"]
    table, images, faq = get("tabular-classification"), get("image-classification"), get("knowledge-answering")
    assert inputs_of_words(table, ['{"age": 41}']) == [{"age": 41}]
    with pytest.raises(BadInput, match="is not JSON"):
        inputs_of_words(table, ["age=41"])
    (tmp_path / "rows.csv").write_text("age;city\n41;Lima\n;Rome\n")
    assert inputs_in_file(table, product, tmp_path / "rows.csv") == [
        {"age": "41", "city": "Lima"},
        {"age": None, "city": "Rome"},
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert (
        inputs_in_file(images, product, tmp_path) == inputs_of_words(images, [str(tmp_path / "a.png")]) == ["iVBORw=="]
    )
    assert inputs_of_words(faq, ["Where?", '{"question": "When?"}']) == ["Where?", {"question": "When?"}]
