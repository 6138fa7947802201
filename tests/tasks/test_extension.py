"""A task of another package, installed as any package is: from its data to a customer's invoice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from penstock import installed
from penstock.app.gateway import gateway_deps
from penstock.billing.closing import close_period
from penstock.cli.root import run
from penstock.core.clock import SettableClock, period_at
from penstock.core.errors import Broken, PenstockError
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.runtime.house import open_house
from penstock.serving.gateway import build_gateway

EXTENSION = Path(__file__).parent.parent.parent / "examples" / "extension"
TASK = "language-detection"
SENTENCES = {
    "de": ("ich suche", "wir brauchen", "wo ist", "meine bestellung", "das paket", "die rechnung", "bitte", "heute"),
    "en": ("i am looking for", "we need", "where is", "my order", "the parcel", "the invoice", "please", "today"),
    "fr": ("je cherche", "il nous faut", "où est", "ma commande", "le colis", "la facture", "merci", "aujourd'hui"),
}


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of examples/extension beside ours, for this process and its children; gone afterwards."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXTENSION, source)  # building leaves files behind
    words = [
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
        str(source),
    ]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    _forget()
    yield
    _forget()
    for name in [name for name in sys.modules if name.startswith("penstock_languages")]:
        del sys.modules[name]


def _forget() -> None:
    for found in (installed.tasks, installed.kinds, installed.backbones, installed.rungs, installed.resolvers):
        found.cache_clear()
    installed.compressions.cache_clear()


def _write_rows(file: Path) -> None:
    rows = [
        f"{begin} {what} {end},{language}"
        for language, (*begins, end, day) in SENTENCES.items()
        for begin in begins[:3]
        for what in begins[3:]
        for end in (end, day, f"{end} {day}")
    ]
    file.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")


def test_a_task_of_another_package_leads_from_data_to_an_invoice(
    extended: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, data = tmp_path / "shop", tmp_path / "messages.csv"
    _write_rows(data)
    assert run(["init", str(folder), "--task", TASK, "--data", str(data)]) == 0, capsys.readouterr().err
    toml = folder / "penstock.toml"
    toml.write_text(toml.read_text().replace('">= 0.90"', '">= 0.60"').replace('"<= 50"', '"<= 5000"'))  # few test rows
    for words in (["apply"], ["train", "messages"], ["release", "messages"]):
        assert run([*words, "--workspace", str(folder)]) == 0, capsys.readouterr().err
    house = open_house(folder)
    with house.store.transaction() as tx:
        who = add_customer(tx, name="Maple", email="maple@example.com", training_consent=True)
        _, secret = create_key(tx, customer=who.id)
    app = build_gateway(gateway_deps(house))
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as http:
        assert app.state.gateway.releases.wait_settled(30)
        texts = ["wo ist die rechnung", "où est le colis"]
        answer = http.post("/v1/products/messages/predict", json={"inputs": texts}).json()
        assert [one["language"] for one in answer["outputs"]] == ["de", "fr"]
        refused = http.post("/v1/products/messages/predict", json={"inputs": [3]})
        assert (refused.status_code, refused.json()["where"]) == (422, "inputs[0]")
        said = http.post("/v1/feedback", json={"id": answer["id"], "index": 1, "correction": "fr"})
        assert said.status_code == 200, said.json()
    month = period_at(house.store.clock.now(), "UTC")
    later = open_house(folder, clock=SettableClock(month.end + timedelta(hours=1)))
    (invoice,) = close_period(later.store.transaction, month, house.workspace.company).invoices
    assert (invoice.total_minor, invoice.currency) == (1, "USD")  # two texts at 0.0040, rounded once
    later.close()
    house.close()


def test_two_packages_that_bring_one_task_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = installed.get("text-classification")
    monkeypatch.setattr(installed, "_loaded", lambda point: (replace(task),))  # each entry point brings one of its own
    _forget()
    with pytest.raises(Broken, match="two installed packages bring 'text-classification'"):
        installed.tasks()
    monkeypatch.undo()
    _forget()


def test_without_the_package_its_task_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "shop"), "--task", TASK]) == 2
    assert "known tasks: image-classification" in capsys.readouterr().err
    with pytest.raises(PenstockError):
        installed.get(TASK)
