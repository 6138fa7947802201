"""The store: transactions, counters and blobs do what every package relies on."""

import pytest

from penstock.core.errors import Broken, NotFound
from penstock.storage import counters
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Store


def test_numbers_of_a_sequence_have_no_gaps_after_a_rollback(store: Store) -> None:
    with store.transaction() as tx:
        assert counters.take(tx, "invoice") == 1
    with pytest.raises(RuntimeError), store.transaction() as tx:
        assert counters.take(tx, "invoice") == 2
        raise RuntimeError("the invoice could not be written")
    with store.transaction() as tx:
        assert counters.take(tx, "invoice", 3) == 2
        assert counters.take(tx, "invoice") == 5


def test_a_change_moves_its_topic_s_generation(store: Store) -> None:
    with store.transaction() as tx:
        counters.bump(tx, "keys")
        counters.bump(tx, "keys")
    with store.read() as tx:
        assert counters.generations(tx) == {"keys": 2}


def test_a_blob_comes_back_only_unaltered(blobs: BlobStore) -> None:
    digest = blobs.put("发票".encode())
    assert blobs.get(digest).decode() == "发票"
    blobs.path(digest).write_bytes(b"tampered")
    with pytest.raises(Broken, match="does not match its hash"):
        blobs.get(digest)
    with pytest.raises(NotFound):
        blobs.get("../../etc/passwd")
