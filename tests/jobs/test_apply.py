"""What `penstock apply` keeps of the file it published."""

from __future__ import annotations

import json

from penstock.jobs.apply import APPLIED, apply_workspace, plan_workspace
from penstock.runtime.house import House
from penstock.storage.blobs import BlobStore
from penstock.storage.documents import get_document
from penstock.storage.engine import Store
from penstock.workspace.records import Workspace


def test_the_database_never_holds_its_own_password(store: Store, blobs: BlobStore) -> None:
    address = "postgresql://penstock:hunter2@db.example.com/penstock"
    workspace = Workspace.model_validate({"company": {"name": "Harbour AI"}, "storage": {"database": address}})
    house = House(workspace, store, blobs, address)
    apply_workspace(house)
    with store.read() as tx:
        assert "hunter2" not in json.dumps(get_document(tx, APPLIED))
    assert plan_workspace(house) == ()
