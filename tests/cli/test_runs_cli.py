"""The `runs` commands: what they print, how they page, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from registry.logbook import LOSS, failed, fill, record

from penstock.cli.root import run as penstock
from penstock.registry.runs import put_curves
from penstock.runtime.house import open_house

TOML = """\
[company]
name = "Harbour AI"

[products.helpdesk]
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 0.5" }
price = { tiers = [{ unit_price = "0.10" }] }
"""
NOTED = "out of memory at step 3: from there each batch of 32 went through in 2 parts"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """A workspace with three runs; calls `penstock runs …` and answers exit code, stdout and stderr."""
    (tmp_path / "penstock.toml").write_text(TOML)
    house = open_house(tmp_path, create=True)
    with house.store.transaction() as tx:
        record(tx, "a", accuracy=0.9, curves_blob=put_curves(house.blobs, {"loss": LOSS}), notes=[NOTED])
        record(tx, "b", accuracy=0.8, kind="trial", seconds=3.0)
        failed(tx, "c", "the loss is not a number\nin batch 7")
    house.close()

    def said(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = penstock(["runs", *words, "--workspace", str(tmp_path)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return said


def test_runs_are_listed_newest_first_with_what_they_reached_and_cost(call: Call) -> None:
    code, out, _ = call("list", "helpdesk")
    lines = [line.split() for line in out.splitlines() if "helpdesk/" in line]
    assert code == 0 and [line[0] for line in lines] == ["helpdesk/3", "helpdesk/2", "helpdesk/1"]
    assert lines[2][1:7] == ["train", "full.v1", "accuracy", "0.9000", "0.0200", "12.5"]
    assert "the loss is not a number" in out and "batch 7" not in out


def test_one_run_tells_what_its_training_noted(call: Call) -> None:
    code, _, err = call("show", "helpdesk/1")
    assert code == 0 and NOTED in " ".join(err.split())
    assert NOTED not in "".join(call("compare", "helpdesk/1", "helpdesk/2")[1:])


def test_runs_are_readable_on_eighty_columns(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call("list", "helpdesk")
    lines = [line.split() for line in out.splitlines() if "helpdesk/" in line]
    assert code == 0 and [line[:3] for line in lines] == [
        ["helpdesk/3", "train", "full.v1"],
        ["helpdesk/2", "trial", "full.v1"],
        ["helpdesk/1", "train", "full.v1"],
    ]
    assert max(len(line) for line in out.splitlines()) <= 80 and "too narrow for: cost" in err
    assert "helpdesk/1" in call("compare", "helpdesk", "--last", "3")[1]


def test_runs_are_sorted_by_a_metric_the_best_first_and_by_seconds_the_fastest(call: Call) -> None:
    found = json.loads(call("list", "helpdesk", "--sort", "accuracy", "--json")[1])
    assert [run["number"] for run in found] == [1, 2]
    found = json.loads(call("list", "helpdesk", "--sort", "seconds", "--kind", "train", "--json")[1])
    assert [run["number"] for run in found] == [3, 1]


def test_the_next_page_is_told_and_holds_the_rest(call: Call) -> None:
    code, _, err = call("list", "helpdesk", "--limit", "2")
    assert code == 0 and "1 older: add --before 2" in err
    code, out, err = call("list", "helpdesk", "--limit", "2", "--before", "2")
    assert "helpdesk/1" in out and "older" not in err


def test_five_thousand_runs_are_listed_a_page_at_a_time(call: Call, tmp_path: Path) -> None:
    house = open_house(tmp_path, create=True)
    with house.store.transaction() as tx:
        fill(tx, 5_000, product="busy")
    house.close()
    (tmp_path / "penstock.toml").write_text(TOML.replace("helpdesk", "busy"))
    code, out, err = call("list", "busy")
    assert code == 0 and out.count("busy/") == 20 and "4,980 older: add --before 4981" in err


def test_one_run_is_shown_in_full_with_its_curves_as_data(call: Call) -> None:
    assert "0.9000 (0.8800 to 0.9200)" in call("show", "helpdesk/1")[1]
    facts = json.loads(call("show", "helpdesk/1", "--json")[1])
    assert (facts["headline"], len(facts["curves"]["loss"]), facts["cost"]) == ("accuracy", 40, "0.000278")
    assert "in batch 7" in call("show", "helpdesk/3")[2]


def test_runs_are_compared_in_a_table_and_on_a_page(call: Call, tmp_path: Path) -> None:
    code, out, err = call("compare", "helpdesk", "--last", "2", "--html", str(tmp_path / "page.html"))
    assert code == 0 and "helpdesk/3" in out and "helpdesk/2" in out and "wrote" in err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    both = json.loads(call("compare", "helpdesk/1", "helpdesk/2", "--json")[1])
    assert [run["number"] for run in both] == [1, 2]


def test_runs_are_exported_into_a_folder(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = str(tmp_path / "tb")
    code, out, err = call("export", "helpdesk", "--to", folder, "--format", "tensorboard", "--json")
    assert (code, json.loads(out)["written"]) == (0, 3) and f"tensorboard --logdir {folder}" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "nowhere"], "nowhere"),
        (["list", "helpdesk", "--kind", "big"], "use one of: train, trial, compress"),
        (["list", "helpdesk", "--sort", "charm"], "use accuracy, cost_per_1000, seconds, cost"),
        (["list", "helpdesk", "--limit", "0"], "0 runs cannot be shown"),
        (["list", "helpdesk", "--before", "9" * 30], "is not the number of a run"),
        (["list", "helpdesk", "--sort", "cost", "--before", "2"], "pages go by number"),
        (["show", "helpdesk/7"], "helpdesk has no run 7"),
        (["compare", "helpdesk"], "no run 'helpdesk'"),
        (["export", "helpdesk", "--to", "out", "--format", "mlflow"], "http://127.0.0.1:5000"),
    ],
)
def test_what_is_wrong_is_told_with_a_way_on(call: Call, words: list[str], told: str) -> None:
    code, _, err = call(*words)
    assert code == 2 and told in err
