"""What a key may do at most holds while clients race: requests at once, and money."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from serving.support import (
    PRODUCTS,
    Company,
    go_live,
    load,
    make_company,
    problem,
    running,
    tiny_artifact,
    wait_for,
)

from penstock.billing.catalogue import publish
from penstock.billing.funding import LedgerFunding
from penstock.billing.spending import key_spent, set_spend_limit
from penstock.core.money import money
from penstock.serving.limits import set_key_limit
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.workspace.records import Company as Seller
from penstock.workspace.records import Workspace

HARBOUR = Seller(name="Harbour AI")


def billed(store: Store, blobs: BlobStore) -> Company:
    with store.transaction() as tx:
        publish(tx, Workspace(company=HARBOUR, products=PRODUCTS))
    return make_company(store, blobs, funding=LedgerFunding(HARBOUR))


def test_a_key_has_so_many_requests_answered_at_once_and_no_more(company: Company) -> None:
    go_live(company.store, tiny_artifact(company.blobs, seconds=0.3))
    with company.store.transaction() as tx:
        set_key_limit(tx, company.key_id, concurrency=2, amount_minor=None)
    with running(company) as gateway, ThreadPoolExecutor(4) as clients:
        answers = [each.result() for each in [clients.submit(gateway.predict, ["a"]) for _ in range(4)]]
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert problem(refused, 429)["type"].endswith(":too-many-at-once") and refused.headers["retry-after"] == "1"
        assert gateway.predict(["a"]).status_code == 200


def test_racing_clients_do_not_overshoot_a_customer_s_cap_in_money(store: Store, blobs: BlobStore) -> None:
    company = billed(store, blobs)
    with store.transaction() as tx:
        set_spend_limit(tx, company.customer, money("0.40", "USD"))
    with (
        running(company) as one,
        running(company) as two,
        load(one, clients=8, inputs=3, stop_at=429) as some,
        load(two, clients=8, inputs=3, stop_at=429) as others,
    ):
        wait_for(lambda: all(sum(a.status_code == 429 for a in list(each)) == 8 for each in (some, others)), 20)
    # ten units at 0.0040, then 0.0020 each: 0.40 is 10 + 180
    assert 186 <= sum(event.units for event in company.events()) <= 190


def test_racing_clients_do_not_overshoot_a_key_s_cap_in_money(store: Store, blobs: BlobStore) -> None:
    company = billed(store, blobs)
    with store.transaction() as tx:
        set_key_limit(tx, company.key_id, concurrency=None, amount_minor=20)
    _, other = company.new_key()
    with running(company) as gateway:
        with load(gateway, clients=8, inputs=3, stop_at=429) as answers:
            wait_for(lambda: sum(answer.status_code == 429 for answer in list(answers)) == 8, 20)
        with gateway.http(other) as http:
            assert http.post("/v1/products/helpdesk/predict", json={"inputs": ["a"]}).status_code == 200
    told = sum(Decimal(answer.json()["usage"]["amount"]) for answer in answers if answer.status_code == 200)
    assert Decimal("0.19") < told <= Decimal("0.20")
    with store.read() as tx:
        assert told <= key_spent(tx, company.key_id, "2026-11") <= Decimal("0.20")
