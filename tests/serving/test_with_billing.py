"""The gateway with billing's own funding: a prepaid customer's money is spent to the end and never beyond it."""

from __future__ import annotations

import time
from decimal import Decimal

from serving.support import PRODUCT, PRODUCTS, load, make_company, running, wait_for

from penstock.billing.catalogue import publish
from penstock.billing.credits import add_credit
from penstock.billing.funding import LedgerFunding
from penstock.billing.limits import set_limit
from penstock.billing.terms import set_terms
from penstock.core.money import money
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store
from penstock.workspace.records import Company, Workspace

HARBOUR = Company(name="Harbour AI")


def open_books(store: Store) -> None:
    with store.transaction() as tx:
        publish(tx, Workspace(company=HARBOUR, products=PRODUCTS))


def test_sixteen_clients_cannot_overspend_a_prepaid_customer(store: Store, blobs: BlobStore) -> None:
    open_books(store)
    company = make_company(store, blobs, funding=LedgerFunding(HARBOUR))
    with store.transaction() as tx:
        set_terms(tx, company.customer, "prepaid")
        add_credit(tx, company.customer, money("0.40", "USD"), "topup-1")
    # ten units at 0.0040, then 0.0020 each: 0.40 pays for 10 + 180
    with running(company) as gateway, load(gateway, clients=16, inputs=3, stop_at=402) as answers:
        wait_for(lambda: any(answer.status_code == 402 for answer in list(answers)), 20)
        time.sleep(0.2)
    assert {answer.status_code for answer in answers} == {200, 402}
    paid = [answer.json()["usage"] for answer in answers if answer.status_code == 200]
    assert sum(usage["units"] for usage in paid) == sum(event.units for event in company.events()) == 189
    assert sum(Decimal(usage["amount"]) for usage in paid) <= Decimal("0.40")


def test_a_monthly_limit_ends_in_429_with_the_time_of_the_next_month(store: Store, blobs: BlobStore) -> None:
    open_books(store)
    company = make_company(store, blobs, funding=LedgerFunding(HARBOUR))
    with store.transaction() as tx:
        set_limit(tx, company.customer, PRODUCT, 5)
    with running(company) as gateway:
        answers = [gateway.predict(["a", "b"]) for _ in range(3)]
        last = gateway.predict(["a"])
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["type"].endswith(":quota-exceeded") and int(answers[-1].headers["retry-after"]) > 86_400
    assert last.status_code == 200
    assert sum(event.units for event in company.events()) == 5
