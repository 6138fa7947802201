"""Each task's example, as its user meets it: init, train, gate, release, then a customer's request, metered once."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from penstock import installed
from penstock.app.gateway import gateway_deps
from penstock.cli.root import run
from penstock.client.images import ImageAnswer
from penstock.client.knowledge import Reply
from penstock.client.opinion import Opinion
from penstock.client.recommendation import Recommendations
from penstock.client.tabular import Estimate, Risk
from penstock.client.texts import Label
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.runtime.house import open_house
from penstock.serving.gateway import build_gateway


@dataclass(frozen=True)
class Example:
    """A task's example. first: products that it builds on. good: inputs, and what their outputs must be.

    bad: an input that is refused, and the field that the error names.
    """

    product: str
    good: Callable[[Path], list[Any]]
    holds: Callable[[list[Mapping[str, Any]]], bool]
    bad: Any
    where: str
    first: tuple[str, ...] = ()


def _digit(folder: Path) -> list[Any]:
    from PIL import Image

    image = Image.new("L", (8, 8))
    for row in range(8):  # a stroke as wide as the ones that people wrote
        image.putpixel((3, row), 200)
        image.putpixel((4, row), 255)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return [base64.b64encode(stream.getvalue()).decode()]


def _first_row(folder: Path, file: str, target: str) -> list[Any]:
    header, first = (folder / "data" / file).read_text().splitlines()[:2]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    return [{name: _value(text) for name, text in row.items() if name != target}]


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _answers_the_first_only(outputs: list[Mapping[str, Any]]) -> bool:
    known, unknown = map(Reply.from_output, outputs)
    return known.answered and bool(known.version) and not unknown.answered


EXAMPLES = {
    "text-classification": Example(
        "kefu",
        lambda folder: ["我的快递到哪里了"],
        lambda outputs: bool(Label.from_output(outputs[0]).label),
        3,
        "inputs[0]",
    ),
    "knowledge-answering": Example(
        "ember",
        lambda folder: ["how do I descale the machine?", "who won the football last night?"],
        _answers_the_first_only,
        "",
        "inputs[0]",
    ),
    "opinion-monitoring": Example(
        "brands",
        lambda folder: [{"text": "Lumora is late again and nobody answers", "time": "2026-03-01T10:00:00Z"}],
        lambda outputs: Opinion.from_output(outputs[0]).tone in ("negative", "neutral", "positive"),
        {"text": "no time"},
        "inputs[0].time",
        first=("mood",),
    ),
    "recommendation": Example(
        "bookshop",
        lambda folder: [{"popular": True}, {"popular": True, "top": 3}],
        lambda outputs: [len(Recommendations.from_output(each).items) for each in outputs] == [10, 3],
        {"user": "nobody-of-that-name"},
        "inputs[0].user",
    ),
    "image-classification": Example(
        "digits",
        _digit,
        lambda outputs: ImageAnswer.from_output(outputs[0]).label == "1",
        "bm90IGFuIGltYWdl",
        "inputs[0]",
    ),
    "tabular-classification": Example(
        "diagnosis",
        lambda folder: _first_row(folder, "breast-cancer.csv", "diagnosis"),
        lambda outputs: bool(Risk.from_output(outputs[0]).reasons),
        {"worst radius": "wide"},
        "inputs[0]",
    ),
    "tabular-regression": Example(
        "progression",
        lambda folder: _first_row(folder, "diabetes.csv", "progression"),
        lambda outputs: outputs[0]["low"] <= Estimate.from_output(outputs[0]).value <= outputs[0]["high"],
        {},
        "inputs[0]",
    ),
}


def test_every_task_has_its_example_here() -> None:
    assert set(EXAMPLES) == set(installed.names())


@pytest.mark.parametrize("task", EXAMPLES)
def test_an_example_leads_from_init_to_a_metered_answer(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example, folder = EXAMPLES[task], tmp_path / "shop"
    assert run(["init", str(folder), "--task", task]) == 0
    workspace = folder / "penstock.toml"
    patient = re.sub(r'latency_p95_ms = "[^"]+"', 'latency_p95_ms = "<= 5000"', workspace.read_text())
    workspace.write_text(patient)  # a machine that runs tests side by side is no place to time a model
    for product in (*example.first, example.product):
        assert run(["train", product, "--workspace", str(folder)]) == 0, capsys.readouterr().err
        assert run(["release", product, "--workspace", str(folder)]) == 0
    with customer_of(folder) as http:
        inputs = example.good(folder)
        answer = http.post(f"/v1/products/{example.product}/predict", json={"inputs": inputs}).json()
        assert example.holds(answer["outputs"]), answer
        refused = http.post(f"/v1/products/{example.product}/predict", json={"inputs": [example.bad]})
        assert refused.status_code == 422
        assert refused.json()["where"].startswith(example.where), refused.json()
        used = {"product": example.product, "units": len(inputs)}
        assert http.get("/v1/usage").json()["products"] == [used]
    capsys.readouterr()
    assert run(["matrix", "--json", "--workspace", str(folder)]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["product"] == example.product)
    assert (row["task"], row["release"], row["gate"], row["units"]) == (task, 1, "yes", len(inputs))


def test_one_workspace_holds_all_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "company"
    assert run(["init", str(folder), "--task", "all"]) == 0
    assert run(["check", "--workspace", str(folder)]) == 0, capsys.readouterr().err
    assert run(["apply", "--workspace", str(folder)]) == 0
    capsys.readouterr()
    assert run(["matrix", "--json", "--workspace", str(folder)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["task"] for row in rows} == set(installed.names())
    on_english = next(row for row in rows if row["product"] == "helpdesk")
    assert "ember" in on_english["shared_with"]  # one backbone, loaded once for both
    assert all(row["price_per_1000"] is not None for row in rows)


@contextmanager
def customer_of(folder: Path) -> Iterator[TestClient]:
    """A gateway of this workspace, ready, and a client that sends a customer's key."""
    assert run(["apply", "--workspace", str(folder)]) == 0
    house = open_house(folder)
    with house.store.transaction() as tx:
        who = add_customer(tx, name="Maple", email="maple@example.com", training_consent=True)
        _, secret = create_key(tx, customer=who.id)
    app = build_gateway(gateway_deps(house))
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as http:
        assert app.state.gateway.releases.wait_settled(30)
        assert not app.state.gateway.releases.problems
        yield http
    house.close()
