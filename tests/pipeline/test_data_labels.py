"""Every label with its rows, also where cleaning refuses the data for them; and what check and train are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.errors import BadInput
from penstock.pipeline.check import check_workspace
from penstock.pipeline.labels import label_rows
from penstock.workspace.loader import load

TOML = """\
[company]
name = "Harbour AI"

[products.desk]
task = "text-classification"
data = "desk.csv"
gate = { accuracy = ">= 20%" }
price = { tiers = [{ unit_price = "0.10" }] }
CLEANING
"""
WORDS = (
    "late red",
    "lost blue",
    "torn green",
    "wrong small",
    "my large",
    "no such",
    "whose old",
    "that new",
    "one",
    "ten",
)
ROWS = [(f"{said} {word}", word) for word in ("parcel", "bill") for said in WORDS]


def workspace(folder: Path, *more: tuple[str, str], cleaning: str = "") -> Path:
    rows = [*ROWS, *more]
    (folder / "desk.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    (folder / "penstock.toml").write_text(TOML.replace("CLEANING", cleaning))
    return folder


def test_rare_labels_are_listed_first_and_those_that_look_alike_say_so(tmp_path: Path) -> None:
    found = load(workspace(tmp_path, ("how are you", "hi"), ("send it", "Bill"), ("a b", "two"), ("c d", "two")))
    with pytest.raises(
        BadInput, match=r"2 labels have too few rows to learn: 'Bill' \(1 row\), 'hi' \(1 row\)"
    ) as refused:
        check_workspace(found)
    assert "'Bill' look like another label" in str(refused.value)
    rows = label_rows(found, "desk")
    assert [row["label"] for row in rows] == ["Bill", "hi", "bill", "parcel", "two"]
    assert [row["too_few"] for row in rows] == [True, True, False, False, False]
    assert (rows[0]["looks_like"], rows[1]["looks_like"]) == ("bill", "")
    assert (rows[4]["train"], rows[4]["test"]) == (2, 0)
    assert [row["label"] for row in label_rows(found, "desk", rare=True)] == ["Bill", "hi"]


def test_check_says_what_was_merged_and_which_labels_look_alike(tmp_path: Path) -> None:
    more = (("how are you", "hi"), ("and you", "ho"), ("send it", "Bill"), ("send this", "Bill"))
    folder = workspace(tmp_path, *more, cleaning='cleaning = { rare_labels = "merge:other" }')
    (facts,) = check_workspace(load(folder))
    assert len(facts["told"]) == 2
    assert facts["told"][0].startswith("labels that look like another: 1 (train; kept apart; ")
    assert "rows whose label has too few rows: 2 (train; labelled 'other'" in facts["told"][1]


def test_data_that_nothing_can_be_learned_of_still_have_labels(tmp_path: Path) -> None:
    found = load(workspace(tmp_path))
    (tmp_path / "desk.csv").write_text("text,label\nhello,a\nyou,b\n")
    assert [row["too_few"] for row in label_rows(found, "desk")] == [True, True]


def test_a_task_without_labels_has_none_to_list(tmp_path: Path) -> None:
    folder = workspace(tmp_path)
    toml = (
        TOML.replace("text-classification", "knowledge-answering").replace("accuracy", "top1").replace("CLEANING", "")
    )
    (folder / "penstock.toml").write_text(toml)
    with pytest.raises(BadInput, match="the rows of knowledge-answering have no labels"):
        label_rows(load(folder), "desk")
