"""An office at work, for tests that cut its power: `python seller.py DATABASE ORGANISATION BLOBS`.

Adds a customer with credit, then keeps a blob; says so in one line once both are done, and begins again.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from penstock.billing.credits import add_credit
from penstock.core.money import money
from penstock.identity.customers import add_customer
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import open_store
from penstock.storage.keyring import Keyring

PAID_IN = money("3.00", "USD")


def main(database: str, organisation: str, blobs: str) -> None:
    store = open_store(database, organisation)
    kept = BlobStore(Path(blobs), keys=Keyring(Path(blobs).parent / "keyring"))
    for number in itertools.count():
        with store.transaction() as tx:
            customer = add_customer(tx, name=f"Customer {number}", email=f"{number}@customer.example").id
            add_credit(tx, customer, PAID_IN, f"bank-{customer}")
        digest = kept.put(f"what {customer} sent".encode() * 100)
        print("sold", customer, digest, flush=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
