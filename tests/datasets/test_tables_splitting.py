"""Which rows of a table test, and which train: the same whatever the file's order, whoever joins, and never both."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from penstock.datasets.rows import Prepared
from penstock.tasks.tabular.data.options import ClassificationOptions
from penstock.tasks.tabular.data.preparing import prepare
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def lines(rows: int = 200) -> list[str]:
    chance = random.Random(3)
    return [
        f"{chance.randint(18, 80)},{chance.choice(['clerk', 'nurse', 'cook'])},{i // 5},2026-{i % 12 + 1:02d}-03,"
        f"{'yes' if chance.random() < 0.4 else 'no'}"
        for i in range(rows)
    ]


def prepared(folder: Path, rows: list[str], extra: list[dict[str, Any]] | None = None, **options: Any) -> Prepared:
    (folder / "t.csv").write_text("\n".join(["age,job,family,day,target", *rows]))
    product = Product(task="tabular-classification", data="t.csv", gate={}, price=PRICE, seed=1)  # type: ignore[arg-type]
    return prepare(product, folder, extra or [], ClassificationOptions(**options), labels=True)


def contents(rows: Any) -> list[tuple[Any, Any]]:
    return sorted((sorted(row["values"].items()), row["target"]) for row in rows)


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    rows = lines()
    shuffled = random.Random(1).sample(rows, len(rows))
    one, other = prepared(tmp_path, rows), prepared(tmp_path, shuffled)
    assert contents(one.test) == contents(other.test)
    assert contents(one.train) == contents(other.train)
    assert 0.1 < len(one.test) / 200 < 0.3


def test_equal_inputs_are_on_one_side(tmp_path: Path) -> None:
    rows = lines(100)
    found = prepared(tmp_path, [*rows, *rows], drop=["family"])
    train = {str(row["values"]) for row in found.train}
    assert not any(str(row["values"]) in train for row in found.test)


def test_a_group_stays_together_and_its_name_is_no_input(tmp_path: Path) -> None:
    found = prepared(tmp_path, lines(), group="family")
    assert not {row["group"] for row in found.train} & {row["group"] for row in found.test}
    assert "family" not in found.train[0]["values"]


def test_by_time_the_latest_rows_test(tmp_path: Path) -> None:
    rows = lines()
    days = {f"t.csv:{number + 2}": line.split(",")[3] for number, line in enumerate(rows)}
    found = prepared(tmp_path, rows, time="day")
    first = min(days[row["origin"]] for row in found.test)
    assert max(days[row["origin"]] for row in found.train) < first
    assert "day" not in found.train[0]["values"]


def test_corrections_join_train_and_never_test(tmp_path: Path) -> None:
    rows = lines()
    plain = prepared(tmp_path, rows)
    tested = plain.test[0]
    sent = {"age": 33, "job": "cook", "family": 3, "day": "2026-05-03", "unread": True}
    extra = [
        {"values": sent, "target": "yes", "origin": "feedback:1", "customer": "c1"},
        {"values": dict(tested["values"]), "target": "yes", "origin": "feedback:2", "customer": "c1"},
        {"values": {**sent, "age": "old"}, "target": "no", "origin": "feedback:3", "customer": "c1"},
        {"values": sent, "target": "perhaps", "origin": "feedback:4", "customer": "c1"},
    ]
    found = prepared(tmp_path, rows, extra)
    joined = [row for row in found.train if row["origin"].startswith("feedback")]
    assert [(row["origin"], row["customer"], row["values"]["age"]) for row in joined] == [("feedback:1", "c1", 33.0)]
    assert "unread" not in joined[0]["values"]
    assert contents(found.test) == contents(plain.test)
    counted = {f.kind: f.found for f in found.report.findings if f.part == "feedback"}
    assert counted == {"unfit-row": 1, "test-in-train": 1, "rare-label": 1}
    assert found.report.read_feedback + found.report.read_train - found.report.dropped == len(found.train) + len(
        found.test
    )


def test_a_column_may_be_watched_for_fairness_without_being_an_input(tmp_path: Path) -> None:
    found = prepared(tmp_path, lines(), drop=["job"], fairness=["job"])
    assert "job" not in found.train[0]["values"]
    assert found.train[0]["audit"]["job"] in ("clerk", "nurse", "cook")
