"""What training saw is what a customer sends: every row of real tables, as texts of a csv file and as JSON, is read as
it was for training, and gets the answer of training's evaluation."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.models.protocol import Parts
from penstock.tasks.tabular.data.schema import Column, Schema
from penstock.tasks.tabular.data.served import value_of
from penstock.tasks.tabular.model import KINDS
from penstock.tasks.tabular.task import CLASSIFICATION
from penstock.tasks.tabular.train.rungs import train_linear
from penstock.training.records import Trained, TrainRequest
from penstock.workspace.records import Product

PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


def as_json(text: str) -> Any:
    """A csv cell as a program sends it: numbers, truth values and null where it is one."""
    if text.strip() == "":
        return None
    if text in ("TRUE", "FALSE", "True", "False", "true", "false"):
        return text.lower() == "true"
    try:
        return json.loads(text)
    except ValueError:
        return text


def trained(folder: Path, file: str, **options: Any) -> tuple[Trained, list[dict[str, Any]]]:
    product = Product(task=CLASSIFICATION.name, data=file, gate={}, price=PRICE, options=options)  # type: ignore[arg-type]
    found = CLASSIFICATION.prepare(product, folder, [])
    made = train_linear(TrainRequest(train=CLASSIFICATION.split(found.train, product), options=options))
    return made, [*found.train, *found.test]


def written(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def check_every_row(made: Trained, rows: list[dict[str, Any]], lines: list[dict[str, str]], lacking: int = 0) -> None:
    kept = [row["values"] for row in rows]
    texts = [lines[int(row["origin"].rpartition(":")[2]) - 2] for row in rows]
    known = [i for i, row in enumerate(kept) if _known(row, made)]
    assert len(kept) - len(known) == lacking
    for sent in ([dict(text) for text in texts], [{n: as_json(cell) for n, cell in text.items()} for text in texts]):
        read = CLASSIFICATION.parse([sent[i] for i in known], made.model)
        assert read == [kept[i] for i in known]
    assert np.array_equal(made.model.predict(read[:50]), made.model.predict([kept[i] for i in known[:50]]))


def _known(values: dict[str, Any], made: Trained) -> bool:
    """Whether training saw all of a test row's categories, and its columns' missing values."""
    for column in made.model.schema.columns:  # type: ignore[attr-defined]
        value = values[column.name]
        if (value is None and not column.missing) or (column.kind == "category" and value not in column.categories):
            return value is None and column.missing > 0
    return True


@pytest.mark.parametrize(
    ("name", "options", "lacking"),
    [
        ("telco_churn", {"target": "Churn"}, 0),
        ("german_credit", {"target": "class"}, 0),
        ("pima_diabetes", {"target": "outcome", "missing_zero": ["glucose", "blood_pressure"]}, 0),
        ("bank_marketing", {"target": "y", "known_after": ["duration"]}, 0),
    ],
)
def test_every_row_of_real_tables_is_served_as_it_was_trained(
    shared_data: Path, name: str, options: dict[str, Any], lacking: int
) -> None:
    file = "test.csv.gz" if name == "bank_marketing" else "train.csv.gz"
    made, rows = trained(shared_data / name, file, **options)
    check_every_row(made, rows, written(shared_data / name / file), lacking)


def test_every_row_of_an_awkward_table_is_served_as_it_was_trained(tmp_path: Path) -> None:
    header = "sum,active,plan,grade,zip,day,rate,age,claims,target"
    lines = [
        f'"${i * 37:,}.50",{["TRUE", "FALSE"][i % 2]},{["None", "NA", "gold"][i % 3]},{["1.50", "2.0", "10"][i % 3]},'
        f"{['00501', '10115'][i % 2]},{i % 12 + 1}/28/2025,{i % 40}%,{'' if i % 9 == 0 else i % 70},"
        f"{['none', '-', 'two'][i * 5 % 3]},{['none', 'churned'][i * i % 7 < 3]}"
        for i in range(120)
    ]
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]))
    options = {"types": {"grade": "category"}, "missing": {"claims": ["-"]}}
    made, rows = trained(tmp_path, "t.csv", **options)
    assert {row["target"] for row in rows} == {"none", "churned"}
    assert {row["values"]["plan"] for row in rows} == {"None", "NA", "gold"}
    check_every_row(made, rows, written(tmp_path / "t.csv"))


def test_truth_values_are_one_thing_however_they_are_written(tmp_path: Path) -> None:
    lines = [f"{i},{['TRUE', 'true', 'FALSE', 'False'][i % 4]},{'ab'[i // 3 % 2]}" for i in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["x,flag,target", *lines]))
    made, rows = trained(tmp_path, "t.csv")
    assert len({row["values"]["flag"] for row in rows}) == 2
    answers = [CLASSIFICATION.parse([{"x": 1, "flag": flag}], made.model)[0] for flag in (True, "TRUE", "true", "True")]
    assert all(answer == answers[0] for answer in answers)


def test_a_code_without_its_zeros_is_another_code() -> None:
    column = Column("zip", "category", categories=("00501", "10115"))
    assert value_of(10115, column, "zip") == "10115"
    assert value_of("00501", column, "zip") == "00501"
    with pytest.raises(BadInput, match="never saw"):
        value_of(501, column, "zip")


def test_artifacts_from_before_are_read_and_answer_as_they_did(tmp_path: Path) -> None:
    lines = [f"{i % 31},{['TRUE', 'FALSE'][i % 2]},{'ab'[i % 3 == 0]}" for i in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["x,flag,target", *lines]))
    made, rows = trained(tmp_path, "t.csv")
    settings = json.loads(json.dumps(made.settings))
    assert all("form" not in each and "absent" not in each for each in settings["schema"]["columns"])  # as before
    model = KINDS[made.model.kind](Parts(made.model.labels, settings, lambda name: made.files[name], "here"))
    sent = [{"x": row["values"]["x"], "flag": row["values"]["flag"]} for row in rows]
    assert np.array_equal(model.predict(CLASSIFICATION.parse(sent, model)), made.model.predict(sent))
    assert Schema.from_json(settings["schema"], "here").columns[0].categories == ("FALSE", "TRUE")
