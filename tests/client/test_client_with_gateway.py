"""The client against a real gateway, over HTTP."""

from __future__ import annotations

import pytest
from serving.support import PRODUCT, give_credit, make_company, running

from penstock.client import BadRequest, Client, Conflict, CreditExhausted, NotFound, Retries, Unauthorised
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


def test_a_program_predicts_repeats_and_reads_its_errors(store: Store, blobs: BlobStore) -> None:
    company = make_company(store, blobs)
    give_credit(store, company.customer, 5)
    with running(company) as gateway, Client(gateway.url, company.key, retries=Retries(attempts=2)) as client:
        [model] = client.models()
        assert (model.product, model.number) == (PRODUCT, 1)
        first = client.predict(PRODUCT, ["where is my parcel", "退款"], request_id="order-17")
        again = client.predict(PRODUCT, ["where is my parcel", "退款"], request_id="order-17")
        assert first.outputs == again.outputs and (first.replayed, again.replayed) == (False, True)
        with pytest.raises(Conflict):
            client.predict(PRODUCT, ["something else"], request_id="order-17")
        with pytest.raises(BadRequest) as bad:
            client.predict(PRODUCT, ["fine", ""])
        assert bad.value.where == "inputs[1]"
        with pytest.raises(NotFound):
            client.predict("nosuch", ["a"])
        with pytest.raises(CreditExhausted):
            client.predict(PRODUCT, ["a"] * 4)
        with Client(gateway.url, "sk_live_wrong") as stranger, pytest.raises(Unauthorised):
            stranger.models()
    assert [event.units for event in company.events()] == [2]
