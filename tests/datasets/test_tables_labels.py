"""Labels of tables with too few rows, and labels that look alike: named at once, dropped or merged as for texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.pipeline.check import check_workspace
from penstock.pipeline.labels import label_rows
from penstock.tasks.tabular.task import CLASSIFICATION
from penstock.workspace.loader import load

TOML = """\
[company]
name = "Harbour AI"

[products.risk]
task = "tabular-classification"
data = "t.csv"
TEST
options = { target = "y" }
gate = { auc = ">= 60%" }
price = { tiers = [{ unit_price = "0.10" }] }
cleaning = { CLEANING }
"""
RARE = ("unsure", "other?", "Late")


def written(folder: Path, cleaning: str = "", *, test: bool = False) -> Path:
    labels = ["paid", "late"] * 30 + list(RARE)
    rows = [f"{(n * 37) % 101},{(n * 11) % 17},{label}" for n, label in enumerate(labels)]
    (folder / "t.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    (folder / "test.csv").write_text(
        "a,b,y\n" + "".join(f"{n}.5,{n},{y}\n" for n, y in enumerate(("paid", "Late") * 9))
    )
    given = 'test = "test.csv"' if test else ""
    (folder / "penstock.toml").write_text(TOML.replace("CLEANING", cleaning).replace("TEST", given))
    return folder


def prepared(folder: Path, extra: list[dict[str, Any]] | None = None) -> Prepared:
    return CLASSIFICATION.prepare(load(folder).products["risk"], folder, extra or [])


def labels(rows: Any) -> Counter[str]:
    return Counter(row["target"] for row in rows)


def test_all_labels_with_too_few_rows_are_named_at_once_and_listed(tmp_path: Path) -> None:
    workspace = load(written(tmp_path))
    with pytest.raises(BadInput, match=r"3 labels have too few rows to learn: 'Late'.*'other[?]'.*'unsure'") as caught:
        check_workspace(workspace)
    assert "'Late' look like another label" in str(caught.value)
    rows = label_rows(workspace, "risk")
    assert [(row["label"], row["rows"], row["too_few"]) for row in rows[:3]] == [
        (name, 1, True) for name in sorted(RARE)
    ]
    assert [row["looks_like"] for row in rows] == ["late", "", "", "", ""]
    assert rows[3]["train"] + rows[3]["test"] == 30
    assert len(label_rows(workspace, "risk", rare=True)) == 3


@pytest.mark.parametrize("test", [False, True])
def test_rare_labels_are_dropped_or_merged_and_counted(tmp_path: Path, test: bool) -> None:
    found = prepared(written(tmp_path, 'rare_labels = "drop"', test=test))
    assert set(labels(found.train)) == {"paid", "late"}
    assert [(f.found, f.dropped) for f in found.report.findings if f.kind == "rare-label"] == [(3, 3)]
    assert labels(found.test)["Late"] == (9 if test else 0), (
        "what customers send stays in the test, and counts as wrong"
    )
    merged = prepared(written(tmp_path, 'rare_labels = "merge:others"', test=test))
    both = labels(merged.train) + labels(merged.test)
    assert both["others"] == (12 if test else 3) and labels(merged.train)["others"] >= 2


def test_labels_that_look_alike_become_the_commonest_in_every_part(tmp_path: Path) -> None:
    folder = written(tmp_path, 'alike_labels = "merge", rare_labels = "drop"', test=True)
    correction = {"values": {"a": 500, "b": 3}, "target": "ＬＡＴＥ", "origin": "feedback:1"}
    found = prepared(folder, [correction])
    assert set(labels(found.train)) == {"paid", "late"} and labels(found.test) == {"paid": 9, "late": 9}
    assert labels(found.train)["late"] == 32, "30, the one that looked like it, and the correction"
    (alike,) = (each for each in found.report.findings if each.kind == "alike-label")
    assert alike.action == "made one with it" and alike.examples[0].other == "late"
