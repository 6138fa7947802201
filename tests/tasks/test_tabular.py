"""What customers may send to a table's product, what is refused with its field, and what they get back."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import BadInput
from penstock.tasks.tabular.task import CLASSIFICATION, REGRESSION
from penstock.tasks.tabular.train.rungs import train_descent, train_linear
from penstock.training.records import Trained, TrainRequest
from penstock.workspace.records import Product
from tests.training.tables import loans, prices

ROW = {"age": 41, "income": 0.3, "job": "nurse", "since": "2025-03-17"}
PRICE: dict[str, Any] = {"tiers": [{"unit_price": "0.01"}]}


@pytest.fixture(scope="module")
def risk() -> Trained:
    return train_linear(TrainRequest(train=loans(), options={"positive": "late", "costs": {"false_negative": 4.0}}))


@pytest.fixture(scope="module")
def price() -> Trained:
    return train_descent(TrainRequest(train=prices()))


def test_a_row_is_read_by_the_models_columns_and_other_keys_are_not(risk: Trained) -> None:
    (row,) = CLASSIFICATION.parse([{**ROW, "duration": 3, "note": None}], risk.model)
    assert row == {"age": 41.0, "income": 0.3, "job": "nurse", "since": "2025-03-17"}
    (gone,) = CLASSIFICATION.parse([{**ROW, "income": None, "job": None}], risk.model)
    assert (gone["income"], gone["job"]) == (None, None)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("age", "forty", "must be a number, not .forty."),
        ("age", True, "must be a number, not true or false"),
        ("age", [41], "must be a number, not a list"),
        ("age", math.inf, "finite number"),
        ("age", math.nan, "finite number"),
        ("age", -math.inf, "finite number"),
        ("age", 1e300, "finite number"),
        ("age", 10**400, "must lie between"),
        ("age", None, "must not be null"),
        ("job", "pilot", "category that training never saw: 'pilot'"),
        ("job", 3, "category that training never saw"),
        ("job", {"is": "nurse"}, "must be a text"),
        ("since", "17/03/2025", "must be a date"),
        ("since", 20250317, "must be a date"),
        ("since", "2025-02-30", "must be a date"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_its_field(risk: Trained, column: str, value: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        CLASSIFICATION.parse([ROW, ROW, {**ROW, column: value}], risk.model)
    assert caught.value.where == f"inputs[2].{column}"
    assert caught.value.hint


def test_a_missing_column_is_named_with_what_may_be_meant(risk: Trained) -> None:
    row = {**ROW, "incom": 0.3}
    del row["income"]
    with pytest.raises(BadInput, match="the column 'income' is missing") as caught:
        CLASSIFICATION.parse([ROW, row], risk.model)
    assert caught.value.where == "inputs[1].income"
    assert "'incom'" in str(caught.value.hint)


@pytest.mark.parametrize("bad", ["text", 3, None, [ROW], True])
def test_an_input_that_is_no_object_is_refused(risk: Trained, bad: Any) -> None:
    with pytest.raises(BadInput, match="must be an object") as caught:
        CLASSIFICATION.parse([bad], risk.model)
    assert caught.value.where == "inputs[0]"


def test_a_risk_comes_with_a_decision_and_its_reasons(risk: Trained) -> None:
    (row,) = CLASSIFICATION.parse([{**ROW, "income": -0.2}], risk.model)
    answer = CLASSIFICATION.render(risk.model, row, risk.model.predict([row])[0])
    assert list(answer) == ["label", "probability", "decision", "probabilities", "explains", "reasons"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["decision"] == ("late" if answer["probabilities"]["late"] >= 1 / 5 else "paid")
    assert answer["explains"] == "late"
    sizes = [abs(reason["effect"]) for reason in answer["reasons"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {reason["column"] for reason in answer["reasons"]} <= set(ROW)
    json.dumps(answer, allow_nan=False)


def test_an_estimate_comes_with_its_interval_and_reasons(price: Trained) -> None:
    (row,) = REGRESSION.parse([{"area": 100, "job": "cook"}], price.model)
    answer = REGRESSION.render(price.model, row, price.model.predict([row])[0])
    assert list(answer) == ["value", "low", "high", "reasons"]
    assert answer["low"] < answer["value"] < answer["high"]
    assert answer["value"] == pytest.approx(350_000, rel=0.1)
    json.dumps(answer, allow_nan=False)


def test_any_model_answers_its_own_probes(risk: Trained, price: Trained) -> None:
    for task, made in ((CLASSIFICATION, risk), (REGRESSION, price)):
        probes = task.probes(made.model)
        assert len(probes) == 3
        assert task.parse(probes, made.model) == probes
        assert np.isfinite(made.model.predict(probes)).all()


def test_a_correction_becomes_a_row_of_the_same_columns() -> None:
    assert CLASSIFICATION.correction(ROW, " late ") == {"values": ROW, "target": "late"}
    assert REGRESSION.correction(ROW, "12.5") == {"values": ROW, "target": 12.5}
    for task, text in ((REGRESSION, "much"), (REGRESSION, "inf"), (CLASSIFICATION, ""), (CLASSIFICATION, "x" * 300)):
        with pytest.raises(BadInput) as caught:
            task.correction(ROW, text)
        assert caught.value.where == "correction"


def test_the_examples_are_written_train_and_answer(tmp_path: Path) -> None:
    for task, name, target in ((CLASSIFICATION, "breast-cancer", "diagnosis"), (REGRESSION, "diabetes", "progression")):
        task.make_data(tmp_path)
        with (tmp_path / "data" / f"{name}.csv").open() as stream:
            (first, *_) = csv.DictReader(stream)
        options = {"target": target}
        product = Product(task=task.name, data=f"data/{name}.csv", gate={}, price=PRICE, options=options)  # type: ignore[arg-type]
        rows = task.prepare(product, tmp_path, [])
        assert rows.report.found("leak") == 0
        made = train_linear(TrainRequest(train=task.split(rows.train, product), options=options))
        sent = {key: value if key == "sex" else float(value) for key, value in first.items() if key != target}
        (row,) = task.parse([sent], made.model)
        assert task.render(made.model, row, made.model.predict([row])[0])["reasons"]


def test_serving_needs_no_training_library(risk: Trained, tmp_path: Path) -> None:
    content = {"settings": dict(risk.settings), "labels": risk.model.labels, "kind": risk.model.kind}
    (tmp_path / "model.json").write_text(json.dumps(content))
    (tmp_path / "members.safetensors").write_bytes(risk.files["members.safetensors"])
    program = f"""
import json, sys
from pathlib import Path
for name in ("sklearn", "lightgbm", "scipy", "torch", "pyarrow"):
    sys.modules[name] = None
from penstock.models.protocol import Parts
from penstock.tasks.tabular.model import KINDS
from penstock.tasks.tabular.task import CLASSIFICATION
folder = Path({str(tmp_path)!r})
made = json.loads((folder / "model.json").read_text())
read = lambda name: (folder / name).read_bytes()
model = KINDS[made["kind"]](Parts(tuple(made["labels"]), made["settings"], read, "here"))
(row,) = CLASSIFICATION.parse([{ROW!r}], model)
print(json.dumps(CLASSIFICATION.render(model, row, model.predict([row])[0])))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (row,) = CLASSIFICATION.parse([ROW], risk.model)
    assert json.loads(done.stdout) == CLASSIFICATION.render(risk.model, row, risk.model.predict([row])[0])
