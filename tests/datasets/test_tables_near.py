"""Rows that nearly repeat test rows leave train; honest rows stay, in coarse tables too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.datasets.rows import Prepared
from penstock.evaluation.gate import MOST_KEPT
from penstock.tasks.tabular.data.near import near_repeats
from penstock.tasks.tabular.data.options import ClassificationOptions
from penstock.tasks.tabular.data.preparing import prepare
from penstock.tasks.tabular.data.schema import split_of
from penstock.tasks.tabular.train.rungs import train_boosting
from penstock.training.records import TrainRequest
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def prepared(
    folder: Path, train: list[str], test: list[str] | None, header: str, cleaning: Any = None, **options: Any
) -> Prepared:
    (folder / "t.csv").write_text("\n".join([header, *train]))
    if test is not None:
        (folder / "test.csv").write_text("\n".join([header, *test]))
    given = None if test is None else "test.csv"
    said = {"task": "tabular-classification", "data": "t.csv", "test": given, "gate": {}, "price": PRICE}
    product = Product.model_validate({**said, "cleaning": cleaning or {}})
    return prepare(product, folder, [], ClassificationOptions(**options), labels=True)


def rows_of(folder: Path, name: str, target: str, **options: Any) -> tuple[list[Any], list[Any]]:
    product = Product(  # type: ignore[call-arg]
        task="tabular-classification", data="train.csv.gz", test="test.csv.gz", gate={}, price=PRICE
    )
    found = prepare(product, folder / name, [], ClassificationOptions(target=target, **options), labels=True)
    assert found.report.found("near-test") <= 0.01 * found.report.read_train  # honest rows
    return [row["values"] for row in found.test], [row["values"] for row in found.train]


def jittered(rows: list[Any], by: float, seed: int = 0) -> list[Any]:
    chance = np.random.default_rng(seed)
    return [
        {name: v * (1 + by * chance.normal()) if isinstance(v, float) else v for name, v in row.items()} for row in rows
    ]


@pytest.mark.parametrize(
    ("name", "target"), [("telco_churn", "Churn"), ("german_credit", "class"), ("pima_diabetes", "outcome")]
)
def test_real_tables_lose_hardly_a_row_and_changed_copies_are_found(shared_data: Path, name: str, target: str) -> None:
    test, train = rows_of(shared_data, name, target)
    assert len(near_repeats(test, train)) <= 0.01 * len(train)
    for by, least in ((1e-4, 0.99), (1e-3, 0.99), (1e-2, 0.75)):
        found = near_repeats(test, [*train, *jittered(test, by)])
        assert sum(at >= len(train) for at in found) >= least * len(test)


def test_numbers_alone_several_copies_and_one_file_for_all(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    original = chance.normal(size=(150, 5))
    copies = np.concatenate([original + 1e-3 * chance.normal(size=original.shape) for _ in range(4)])
    lines = [",".join(f"{v:.6f}" for v in row) + f",{'ab'[chance.integers(2)]}" for row in copies]
    found = prepared(tmp_path, lines, None, "a,b,c,d,e,target")
    test = {round(row["values"]["a"], 2) for row in found.test}
    assert found.report.found("near-test") > 100
    assert not test & {round(row["values"]["a"], 2) for row in found.train} or len(found.train) < 300


def test_random_labels_are_learned_from_no_copies_of_the_test(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    numbers, labels = chance.normal(size=(500, 6)), chance.integers(0, 2, 500)

    def lines(rows: Any, labels: Any) -> list[str]:
        return [",".join(f"{v:.6f}" for v in row) + f",{'ab'[at]}" for row, at in zip(rows, labels, strict=True)]

    test = lines(numbers[:150], labels[:150])
    copied = lines(numbers[:150] * (1 + 1e-3 * chance.normal(size=(150, 6))), labels[:150])
    found = prepared(tmp_path, [*lines(numbers[150:], labels[150:]), *copied], test, "a,b,c,d,e,f,target")
    (finding,) = [f for f in found.report.findings if f.kind == "near-test"]
    assert (finding.found, finding.dropped) == (150, 150)
    assert finding.examples[0].other.startswith("test.csv:")
    assert found.report.contamination.removed == 150
    model = train_boosting(TrainRequest(train=split_of(found.train))).model
    split = split_of(found.test)
    answers = model.predict(split.inputs).argmax(axis=1)
    right = np.mean([model.labels[at] == label for at, label in zip(answers, split.labels, strict=True)])
    assert right < 0.65


def test_kept_copies_are_what_the_gate_refuses_to_judge_by(tmp_path: Path) -> None:
    numbers = np.random.default_rng(5).normal(size=(300, 5))
    lines = [",".join(f"{v:.6f}" for v in row) + f",{'xy'[i % 2]}" for i, row in enumerate(numbers)]
    copied = [",".join(f"{v + 1e-4:.6f}" for v in row) + ",x" for row in numbers[:20]]
    kept = prepared(tmp_path, [*lines[100:], *copied], lines[:100], "a,b,c,d,e,target", {"drop_near_test": False})
    assert (kept.report.contamination.removed, kept.report.contamination.kept) == (0, 20)
    assert kept.report.contamination.share > MOST_KEPT
    gone = prepared(tmp_path, [*lines[100:], *copied], lines[:100], "a,b,c,d,e,target")
    assert (gone.report.contamination.removed, gone.report.contamination.kept) == (20, 0)


def test_exact_copies_of_all_test_rows_leave_too(tmp_path: Path) -> None:
    """They used to stay, as "few distinct rows", where they were more than a fifth of the test."""
    chance = np.random.default_rng(2)
    lines = [f"{a:.5f},{b:.5f},{'xy'[i % 2]}" for i, (a, b) in enumerate(chance.normal(size=(300, 2)))]
    found = prepared(tmp_path, lines, lines[:100], "a,b,target")
    assert (found.report.found("test-in-train"), len(found.train), len(found.test)) == (100, 200, 100)


def test_a_table_of_few_distinct_rows_keeps_them(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    cells = chance.integers(0, 4, (800, 3))
    lines = [f"{'abcd'[a]},{'pqrs'[b]},{c},{'xy'[chance.integers(2)]}" for a, b, c in cells]
    found = prepared(tmp_path, lines[:600], lines[600:], "a,b,c,target")
    assert (len(found.train), len(found.test)) == (600, 200)
    assert found.report.found("near-test") == 0
    (finding,) = [f for f in found.report.findings if f.kind == "test-in-train"]
    assert finding.action.startswith("kept")


def test_where_all_of_train_is_the_test_nothing_is_left(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    numbers = chance.normal(size=(200, 5))
    lines = [",".join(f"{v:.6f}" for v in row) + f",{'xy'[i % 2]}" for i, row in enumerate(numbers)]
    other = [",".join(f"{v + 1e-4:.6f}" for v in row) + f",{'xy'[i % 2]}" for i, row in enumerate(numbers)]
    with pytest.raises(BadInput, match="too few training rows are left"):
        prepared(tmp_path, other, lines, "a,b,c,d,e,target")


def test_dates_and_missing_values_are_compared_too() -> None:
    test = [
        {"day": f"2025-{m:02d}-{d:02d}", "x": None if d % 7 == 0 else d * 1.37 + m}
        for m in range(1, 13)
        for d in range(1, 29)
    ]
    assert near_repeats(test[:50], [dict(row) for row in test[50:]]) == {}
    assert near_repeats([], test) == near_repeats(test, []) == {}
