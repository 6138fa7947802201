"""Several labels for a text: from a file to an answer over HTTP, and to a correction that retrains."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline.climbing import at_once
from starlette.testclient import TestClient

from penstock.app.gateway import gateway_deps
from penstock.cli.root import run
from penstock.client.texts import Labels
from penstock.core.errors import BadInput
from penstock.datasets.versions import get_version, load_rows
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.pipeline.check import check_workspace
from penstock.pipeline.climb import attempts
from penstock.pipeline.climb.train import retrain, rungs_of, train
from penstock.pipeline.compress.workflow import compress
from penstock.pipeline.records import TrainJob
from penstock.registry.releases import release
from penstock.runtime.house import House, open_house
from penstock.runtime.progress import no_progress
from penstock.serving.gateway import build_gateway
from tests.scenarios.conftest import SUBJECTS, WORDS

SETS = ((), ("login",), ("parcel",), ("refund",), ("parcel", "refund"), ("login", "refund"), ("login", "parcel"))


def messages(count: int = 280) -> list[tuple[str, str]]:
    found = []
    for n in range(count):
        own = SETS[n % len(SETS)]
        said = [SUBJECTS[label][(n // 7) % 4] for label in own] or ["have a nice day"]
        found.append((f"{' and '.join(said)} {WORDS[n % 10]} {n * 2654435761 % 2**32:x}", "|".join(own)))
    return found


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace as `penstock init` makes it of the file."""
    file = tmp_path / "tickets.csv"
    file.write_text("message,tags\n" + "".join(f"{text},{labels}\n" for text, labels in messages()))
    assert run(["init", str(tmp_path / "shop"), "--task", "text-classification", "--data", str(file)]) == 0
    assert "several labels" in capsys.readouterr().err
    toml = tmp_path / "shop" / "penstock.toml"
    text = toml.read_text()
    assert 'multi_label = true, label_separator = "|"' in text and 'micro_f1 = ">= 0.70"' in text
    text = text.replace('latency_p95_ms = "<= 50"', 'exact_match = ">= 0.5"').replace("backbone = ", "# backbone = ")
    toml.write_text(text.replace("multi_label = true,", "multi_label = true, refit = true, robust_rows = 20,"))
    return tmp_path / "shop"


def released(house: House) -> str:
    """The candidate that passed the gate, released."""
    outcome = train(house, {"product": "tickets"}, no_progress)["outcomes"][-1]
    assert outcome["passed"] and outcome["headline"] == "micro_f1", outcome["shortfall"]
    assert any("a release serves this model" in note for note in outcome["notes"])  # refit on all rows
    with house.store.transaction() as tx:
        release(tx, outcome["candidate"], house.secret("decisions"))
    return str(outcome["candidate"])


def test_from_a_file_to_an_answer_and_a_correction_that_retrains(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attempts, "run_child", at_once)
    assert run(["apply", "--workspace", str(folder)]) == 0
    house = open_house(folder)
    assert check_workspace(house.workspace)[0]["ladder"] == ["ngram-linear.v1"]
    released(house)
    with house.store.transaction() as tx:
        who = add_customer(tx, name="Maple", email="maple@example.com", training_consent=True)
        _, secret = create_key(tx, customer=who.id)
    app = build_gateway(gateway_deps(house))
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as http:
        assert app.state.gateway.releases.wait_settled(30)
        inputs = ["locked out and courier is late", "have a nice day", "a chargeback of the payment, if you please"]
        answer = http.post("/v1/products/tickets/predict", json={"inputs": inputs, "explain": True}).json()
        both, nothing, _ = map(Labels.from_output, answer["outputs"])
        assert set(both.names) == {"login", "parcel"} and nothing.names == () and both.explanation
        assert answer["usage"]["units"] == 3
        described = http.get("/openapi.json").json()["paths"]["/v1/products/tickets/predict"]["post"]
        assert '"labels"' in str(described).replace("'", '"')
        asked = {"id": answer["id"], "index": 2}
        unknown = http.post("/v1/feedback", json={**asked, "correction": ["refund", "parcle"]})
        assert unknown.status_code == 422 and "'parcel'" in unknown.json()["hint"], unknown.json()
        assert http.post("/v1/feedback", json={**asked, "correction": [["refund"]]}).status_code == 422
        said = http.post("/v1/feedback", json={**asked, "correction": ["refund", "login"]})
        assert said.status_code == 200 and said.json()["new_label"] is False
        assert http.post("/v1/feedback", json={**asked, "index": 1, "correction": []}).status_code == 200
    result = retrain(house, {"product": "tickets"}, no_progress)
    assert result["feedback"]["gave"] and result["release"] == 2
    with house.store.read() as tx:
        learned, _ = load_rows(house.blobs, get_version(tx, "tickets"))
    assert {tuple(row["labels"]) for row in learned if row["customer"]} == {("login", "refund"), ()}
    house.close()
    assert run(["feedback", "list", "tickets", "--workspace", str(folder)]) == 0
    assert "refund, login" in capsys.readouterr().out


def test_what_gives_one_label_only_is_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = open_house(folder)
    with pytest.raises(BadInput, match=r"'full.v1' gives one label for a text") as caught:
        rungs_of(house, TrainJob(product="tickets", rungs=("full.v1",)))
    assert "ngram-linear.v1, frozen-linear.v1" in str(caught.value)
    monkeypatch.setattr(attempts, "run_child", at_once)
    outcome = train(house, {"product": "tickets", "rungs": ["ngram-linear.v1"]}, no_progress)["outcomes"][0]
    asked = {"product": "tickets", "candidate": outcome["candidate"], "with": None, "by": "distil.v1", "options": {}}
    with pytest.raises(BadInput, match=r"distil.v1 makes models that give one label"):
        compress(house, asked, no_progress)
