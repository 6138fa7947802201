"""What comes back from use joins training as rows of the product's task, each with where it came from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from penstock import installed
from penstock.core.errors import BadInput
from penstock.identity.customers import add_customer
from penstock.metering.usage_log import Answer, UsageEvent, append
from penstock.monitoring.feedback import Feedback, record
from penstock.pipeline.climb.learning import check_correction, learned_rows
from penstock.registry.amendments import amend
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store, Transaction
from penstock.workspace.records import Workspace

TEXT = installed.get("text-classification")
DESK = {"task": "text-classification", "data": "x.csv", "gate": {}, "price": {"tiers": [{"unit_price": "0.1"}]}}


@pytest.fixture
def house(store: Store, blobs: BlobStore) -> House:
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}, "products": {"desk": DESK}})
    return House(workspace, store, blobs, "")


def corrected(tx: Transaction, name: str, input: Any, correction: str, *, consent: bool = True) -> Feedback:
    """A customer that asked `input` and says what should have been answered."""
    who = add_customer(tx, name=name, email=f"{name}@example.com", training_consent=consent).id
    event = UsageEvent(who, f"req_{name}", who, "desk", "1", "key", tx.now, 1, "0" * 64)
    append(tx, [event], [Answer(who, event.id, who, "desk", [input], b"{}", tx.now)])
    return record(tx, customer=who, request_id=event.id, index=0, correction=correction)


def test_corrections_become_rows_with_their_origin_and_customer(house: House) -> None:
    with house.store.transaction() as tx:
        first = corrected(tx, "blue", "card lost", "lost card")
        other = corrected(tx, "red", "no money", "refund")
        third = corrected(tx, "green", "wo ist es", "parcel")
        withheld = corrected(tx, "grey", "secret", "refund", consent=False)
        rows = learned_rows(house, tx, "desk", [third.id, withheld.id, first.id])
        assert rows == [
            {"text": "card lost", "label": "lost card", "origin": f"feedback:{first.id}", "customer": first.customer},
            {"text": "wo ist es", "label": "parcel", "origin": f"feedback:{third.id}", "customer": third.customer},
        ]
        assert learned_rows(house, tx, "desk", []) == []
        assert [row["text"] for row in learned_rows(house, tx, "desk", [other.id])] == ["no money"]


def test_a_correction_of_another_task_that_had_the_product_s_name_is_left_out(house: House) -> None:
    with house.store.transaction() as tx:
        old = corrected(tx, "blue", {"age": 41}, "high")
        new = corrected(tx, "red", "no money", "refund")
        assert [row["text"] for row in learned_rows(house, tx, "desk", [old.id, new.id])] == ["no money"]


def test_the_newest_amendment_joins_the_corrections(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(TEXT, amendment_rows=lambda content: [{"text": text} for text in content.get("added", ())])
    monkeypatch.setattr("penstock.installed.get", lambda name: task)
    with house.store.transaction() as tx:
        said = corrected(tx, "blue", "card lost", "lost card")
        assert learned_rows(house, tx, "desk", []) == []
        amend(tx, house.blobs, product="desk", edit=lambda _: {"added": ["one"]})
        amend(tx, house.blobs, product="desk", edit=lambda before: {"added": [*before["added"], "two"]})
        rows = learned_rows(house, tx, "desk", [said.id])
        assert [row["text"] for row in rows] == ["card lost", "one", "two"]


def test_a_correction_is_checked_by_its_product_s_task(house: House) -> None:
    check_correction(house, "desk", "card lost", "lost card")
    check_correction(house, "no-longer-sold", {"anything": 1}, "at all")
    with pytest.raises(BadInput, match="must be a label"):
        check_correction(house, "desk", "card lost", "x" * 201)
    with pytest.raises(BadInput, match="inputs are texts"):
        check_correction(house, "desk", 2, "lost card")
    with pytest.raises(BadInput, match="the correction must be text"):  # a list is for products with several labels
        check_correction(house, "desk", "card lost", ["lost card"])
