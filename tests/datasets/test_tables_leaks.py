"""Columns that give the target away are caught, and honest ones are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.tasks.tabular.data.options import ClassificationOptions
from penstock.tasks.tabular.data.preparing import prepare
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def prepared(folder: Path, name: str, **options: Any) -> Prepared:
    product = Product(task="tabular-classification", data=name, gate={}, price=PRICE)  # type: ignore[arg-type]
    return prepare(product, folder, [], ClassificationOptions(**options), labels=True)


def written(folder: Path, columns: dict[str, Any]) -> str:
    rows = zip(*columns.values(), strict=True)
    (folder / "t.csv").write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    return "t.csv"


def loans(rows: int = 600) -> dict[str, Any]:
    chance = np.random.default_rng(0)
    income, debt = chance.normal(size=(2, rows)).round(2)
    late = income - debt + chance.logistic(size=rows) < 0
    fees = np.where(late, chance.integers(5, 90, rows), 0)
    target = np.where(late, "late", "paid")
    return {"income": income, "debt": debt, "age": chance.integers(18, 80, rows), "fees": fees, "target": target}


def test_bank_marketings_duration_stops_the_training_until_the_owner_says_what_it_is(shared_data: Path) -> None:
    folder = shared_data / "bank_marketing"
    with pytest.raises(BadInput, match="'duration' predicts the target better than") as caught:
        prepared(folder, "test.csv.gz", target="y")
    assert caught.value.where == "test.csv.gz: duration"
    for option in ('known_after = ["duration"]', 'allow_leakage = ["duration"]', 'leaks = "drop"'):
        assert option in str(caught.value)
    assert "duration" not in prepared(folder, "test.csv.gz", target="y", known_after=["duration"]).train[0]["values"]


@pytest.mark.parametrize(
    ("options", "kind", "there"),
    [
        ({"leaks": "drop"}, "leak", False),
        ({"leaks": "keep"}, "leak-kept", True),
        ({"allow_leakage": ["duration"]}, "leak-kept", True),
        ({"leaks": "drop", "allow_leakage": ["duration"]}, "leak-kept", True),
    ],
)
def test_what_the_owner_said_of_such_columns_is_done_and_named(
    shared_data: Path, options: dict[str, Any], kind: str, there: bool
) -> None:
    found = prepared(shared_data / "bank_marketing", "test.csv.gz", target="y", **options)
    (finding,) = [f for f in found.report.findings if f.kind in ("leak", "leak-kept")]
    assert (finding.kind, [e.origin for e in finding.examples]) == (kind, ["duration"])
    assert "AUC 0.8" in finding.examples[0].text
    assert ("duration" in found.train[0]["values"]) is there
    assert any("duration: AUC 0.8" in sentence for sentence in found.report.told())  # by `check` and `train`


@pytest.mark.parametrize(
    ("name", "target", "part"),
    [
        ("german_credit", "class", "train"),
        ("german_credit", "class", "test"),
        ("pima_diabetes", "outcome", "train"),
        ("pima_diabetes", "outcome", "test"),
        ("telco_churn", "Churn", "test"),
    ],
)
def test_honest_tables_raise_no_alarm(shared_data: Path, name: str, target: str, part: str) -> None:
    found = prepared(shared_data / name, f"{part}.csv.gz", target=target)
    assert found.report.found("leak") == 0


def test_a_column_that_gives_the_target_away_stops_the_training_until_it_is_named(tmp_path: Path) -> None:
    name = written(tmp_path, loans())
    with pytest.raises(BadInput, match="'fees' gives the target away") as caught:
        prepared(tmp_path, name)
    assert 'known_after = ["fees"]' in str(caught.value)
    told = prepared(tmp_path, name, known_after=["fees"])
    assert "fees" not in told.train[0]["values"]
    assert told.report.found("known-after") == 1
    kept = prepared(tmp_path, name, allow_leakage=["fees"])
    assert "fees" in kept.train[0]["values"]
    assert kept.report.found("leak-kept") == 1
    assert "fees" not in prepared(tmp_path, name, leaks="drop").train[0]["values"]


def test_a_value_that_only_one_outcome_has_leaks_by_being_missing(tmp_path: Path) -> None:
    columns = loans()
    columns["fees"] = ["2026-01-05" if each == "late" else "" for each in columns["target"]]
    with pytest.raises(BadInput, match="'fees' gives the target away"):
        prepared(tmp_path, written(tmp_path, columns))


def test_the_only_column_that_says_anything_is_no_leak(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    noise = chance.normal(size=(3, 600)).round(2)
    score = chance.normal(size=600).round(3)
    target = np.where(3 * score + chance.logistic(size=600) > 0, "yes", "no")
    columns = {"score": score, "a": noise[0], "b": noise[1], "c": noise[2], "target": target}
    found = prepared(tmp_path, written(tmp_path, columns))
    assert found.report.found("leak") == 0


def test_a_few_rows_prove_nothing(tmp_path: Path) -> None:
    columns = {"x": range(40), "y": [i * 7 % 11 for i in range(40)], "target": ["ab"[i >= 20] for i in range(40)]}
    assert prepared(tmp_path, written(tmp_path, columns)).report.found("leak") == 0
