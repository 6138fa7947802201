"""The scratch store: for what is tried and not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.errors import NotFound
from penstock.core.hashing import sha256_of
from penstock.storage.blobs import BlobStore, scratch


def test_a_scratch_store_reads_what_lies_behind_and_leaves_nothing(tmp_path: Path) -> None:
    kept = BlobStore(tmp_path / "state" / "blobs")
    there = kept.put(b"kept")
    left = tmp_path / "state" / "scratch-999999999"  # of a process that was killed
    left.mkdir()
    with scratch(kept) as tried:
        assert tried.get(there) == b"kept"
        assert tried.get(tried.put(b"tried")) == b"tried"
        assert not left.exists()
    with pytest.raises(NotFound):
        kept.get(sha256_of(b"tried"))
    assert [each.name for each in (tmp_path / "state").iterdir()] == ["blobs"]
