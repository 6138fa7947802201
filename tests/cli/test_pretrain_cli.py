"""`penstock pretrain`: what it prints, what it refuses, and its folder under a product of a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.cli.root import run

SMALL = ("--vocab", "500", "--layers", "1", "--hidden", "32", "--minutes", "0.1")
WORKSPACE = """
[company]
name = "Test Harbour"

[backbones.own]
source = "path:own"

[products.desk]
task = "text-classification"
data = "desk.csv"
backbone = "own"
ladder = ["frozen-linear.v1"]
gate = { accuracy = ">= 0.1" }

[products.desk.price]
tiers = [{ unit_price = "0.10" }]
"""
ASKS = {"hours": "when does the {} open today", "money": "what does one ticket to the {} cost"}
PLACES = [f"{kind} {number}" for kind in ("museum", "castle", "garden", "pool") for number in range(60)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.csv"
    lines = [f"{ask.format(place)},1" for ask in ASKS.values() for place in PLACES]
    file.write_text("\n".join(["question,id", *lines]), encoding="utf-8")
    return file


def test_a_backbone_is_pretrained_and_a_product_trains_on_it(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own"
    words = ["pretrain", str(corpus), "--out", str(out), "--column", "question", *SMALL]
    assert run(words) == 0
    told = capsys.readouterr()
    assert "masked" in told.out and "contrast" in told.out and "480 texts" in told.out
    assert f'source = "path:{out}"' in told.err
    assert run(words) == 1 and "something here already" in capsys.readouterr().err
    assert run([*words, "--resume"]) == 1 and "is done" in capsys.readouterr().err
    (tmp_path / "penstock.toml").write_text(WORKSPACE)
    rows = [f"{ask.format(place)},{label}" for label, ask in ASKS.items() for place in PLACES]
    (tmp_path / "desk.csv").write_text("\n".join(["text,label", *rows]))
    assert run(["--workspace", str(tmp_path), "apply"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert run(["--workspace", str(tmp_path), "train", "desk", "--json"]) == 0, capsys.readouterr().err
    outcome = json.loads(capsys.readouterr().out)["outcomes"][-1]
    assert outcome["passed"] and outcome["rung"] == "frozen-linear.v1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--column", "text"), "no column 'text'; the columns found are: 'question', 'id'"),
        (("--column", "question", "--hidden", "100"), "multiple of 32"),
        (("--column", "question", "--resume"), "no pretraining to resume"),
    ],
)
def test_bad_usage_exits_2_and_leaves_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(["pretrain", str(corpus), "--out", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
