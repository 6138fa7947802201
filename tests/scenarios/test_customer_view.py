"""What a customer sees through the gateway: its own use, invoices and proofs, never another's; what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from penstock.app.gateway import gateway_deps
from penstock.app.office import tidy_once
from penstock.billing.closing import close_period
from penstock.core.clock import SettableClock, period_at
from penstock.identity.customers import add_customer
from penstock.identity.keys import create_key
from penstock.metering.usage_log import find_answer
from penstock.runtime.house import House, open_house
from penstock.serving.gateway import build_gateway
from tests.scenarios.conftest import Penstock

ASK = "/v1/products/router/predict"


@pytest.fixture
def house(folder: Path, penstock: Penstock) -> Iterator[House]:
    """The workspace with its product trained and released."""
    assert penstock("apply").code == 0
    assert penstock("train", "router").code == 0
    assert penstock("release", "router").code == 0
    opened = open_house(folder)
    yield opened
    opened.close()


@contextmanager
def on_air(house: House) -> Iterator[TestClient]:
    """The house's gateway, once it has loaded what is live: before, it answers 503."""
    app = build_gateway(gateway_deps(house))
    with TestClient(app) as http:
        assert app.state.gateway.releases.wait_settled(30)
        yield http


def sign_up(house: House, name: str, *, consent: bool = False) -> tuple[str, dict[str, str]]:
    with house.store.transaction() as tx:
        who = add_customer(tx, name=name, email=f"{name.lower()}@example.com", training_consent=consent)
        _, secret = create_key(tx, customer=who.id)
    return who.id, {"Authorization": f"Bearer {secret}"}


def test_a_customer_follows_its_money_to_the_events_and_sees_nobody_else_s(house: House) -> None:
    _, maple = sign_up(house, "Maple")
    _, cedar = sign_up(house, "Cedar")
    with on_air(house) as http:
        answer = http.post(ASK, json={"inputs": ["where is my parcel", "refund please"]}, headers=maple).json()
        assert answer["usage"] == {"units": 2, "amount": "0.20", "currency": "USD"}
        usage = http.get("/v1/usage", headers=maple).json()
        assert usage["products"] == [{"product": "router", "units": 2}]
        assert http.get("/v1/usage", headers=cedar).json()["products"] == []

        said = http.post("/v1/feedback", json={"id": answer["id"], "index": 1, "correction": "refund"}, headers=maple)
        assert said.status_code == 200
        foreign = http.post("/v1/feedback", json={"id": answer["id"], "correction": "login"}, headers=cedar)
        assert foreign.status_code == 404
        assert http.post("/v1/feedback", json={"index": 1}, headers=maple).json()["where"] == "body"

        month = period_at(house.store.clock.now(), "UTC")
        later = open_house(house.folder, clock=SettableClock(month.end + timedelta(hours=1)))
        (invoice,) = close_period(later.store.transaction, month, house.workspace.company).invoices
        assert [one["number"] for one in http.get("/v1/invoices", headers=maple).json()["invoices"]] == [invoice.number]
        assert http.get("/v1/invoices", headers=cedar).json()["invoices"] == []
        assert http.get(f"/v1/invoices/{invoice.number}", headers=cedar).status_code == 404
        proof = http.get(f"/v1/invoices/{invoice.number}/lines/1/events", headers=maple).json()["events"]
        assert [(event["id"], event["units"]) for event in proof] == [(answer["id"], 2)]
        assert http.get(f"/v1/invoices/{invoice.number}/lines/1/events", headers=cedar).status_code == 404
        assert http.get(f"/v1/invoices/{invoice.number}/lines/one/events", headers=maple).status_code == 422


def test_answers_are_forgotten_after_their_days_and_the_money_stays(house: House) -> None:
    maple, headers = sign_up(house, "Maple")
    with on_air(house) as http:
        answer = http.post(ASK, json={"inputs": ["where is my parcel"]}, headers=headers).json()
    assert tidy_once(house) == 0
    later = open_house(house.folder, clock=SettableClock(house.store.clock.now() + timedelta(days=31)))
    assert tidy_once(later) == 1
    with later.store.read() as tx:
        assert find_answer(tx, maple, answer["id"]) is None
    with on_air(house) as http:
        again = http.post(
            ASK, json={"inputs": ["where is my parcel"]}, headers={**headers, "Idempotency-Key": answer["id"]}
        )
        assert again.status_code == 409  # counted already, no longer kept: never billed twice
        assert http.get("/v1/usage", headers=headers).json()["products"] == [{"product": "router", "units": 1}]
    later.close()
