"""Exports beside the user's other caches: a second workspace exports nothing, and nothing altered is ever taken."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from penstock.loader import Loader
from penstock.storage.blobs import BlobStore
from penstock.training import export_cache, onnx_export
from penstock.training.backbones import resolve
from penstock.workspace.records import Backbone


@pytest.fixture
def source(tiny_bert: Path) -> Backbone:
    return Backbone(source=f"path:{tiny_bert.name}")


def exported(source: Backbone, blobs: BlobStore, tiny_bert: Path) -> str:
    return resolve(source, "own", blobs, tiny_bert.parent)


def entry() -> Path:
    (found,) = (export_cache.cache_folder() / "exports").iterdir()
    return found


def test_another_workspace_exports_nothing(
    source: Backbone, tiny_bert: Path, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = exported(source, blobs, tiny_bert)
    monkeypatch.setattr(onnx_export, "load_encoder", None)
    other = BlobStore(tmp_path / "other" / "blobs")
    assert exported(source, other, tiny_bert) == digest
    one, two = (Loader(each).backbone(digest).embed(["where is my order"]) for each in (blobs, other))
    assert (one == two).all()


@pytest.mark.parametrize("file", ["manifest.json", "digest", "a file"])
def test_an_altered_entry_is_exported_again(
    source: Backbone, tiny_bert: Path, blobs: BlobStore, tmp_path: Path, file: str
) -> None:
    digest = exported(source, blobs, tiny_bert)
    names = {each.name for each in entry().iterdir()} - {"manifest.json", "digest"}
    changed = entry() / (max(names) if file == "a file" else file)
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    other = BlobStore(tmp_path / "other" / "blobs")
    assert exported(source, other, tiny_bert) == digest
    assert Loader(other).backbone(digest).digest == digest
    assert export_cache.restore(BlobStore(tmp_path / "third" / "blobs"), entry().name) == digest, "it is whole again"


def test_two_that_export_at_once_leave_one_whole_entry(
    source: Backbone, tiny_bert: Path, blobs: BlobStore, tmp_path: Path
) -> None:
    digest = exported(source, blobs, tiny_bert)
    key = entry().name
    threads = [threading.Thread(target=export_cache.keep, args=(blobs, key, digest)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entry().name == key
    assert export_cache.restore(BlobStore(tmp_path / "other" / "blobs"), key) == digest


def test_the_longest_unused_goes_first(
    source: Backbone, tiny_bert: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = exported(source, blobs, tiny_bert)
    size = sum(file.stat().st_size for file in entry().iterdir())
    monkeypatch.setattr(export_cache, "MOST_BYTES", int(2.5 * size))
    for name in ("b", "c", "d"):
        export_cache.keep(blobs, name, digest)
    left = {each.name for each in (export_cache.cache_folder() / "exports").iterdir()}
    assert len(left) == 2 and "d" in left


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(
    source: Backbone, tiny_bert: Path, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "file"))
    assert exported(source, blobs, tiny_bert)


def test_the_systems_cache_is_used_where_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PENSTOCK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert export_cache.cache_folder() == tmp_path / "penstock"
