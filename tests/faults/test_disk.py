"""The disk that is rebuilt after a cut keeps what was synced, and nothing else for certain."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from faults.disk import Disk
from faults.shim import ACKNOWLEDGED, Record, Shim, records, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))  # it needs a C compiler and Linux


def recorded(tmp_path: Path, script: str) -> tuple[Disk, Path]:
    """The disk before `script` ran in an empty folder, and the log of what it did. A line it prints is acknowledged."""
    folder = tmp_path / "folder"
    folder.mkdir()
    before, shim = Disk(folder), Shim(folder, tmp_path, record=True)
    words = [sys.executable, "-c", textwrap.dedent(script)]
    environment = {**os.environ, **shim.environment}
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            shim.acknowledge(line.strip().encode())
    assert process.returncode == 0
    shim.close()
    return before, tmp_path / "changes.log"


def after(disk: Disk, tmp_path: Path, tries: int = 60) -> Counter[dict[str, bytes]]:
    """What a cut may leave now: file -> content, how often."""
    found: Counter[frozenset[tuple[str, bytes]]] = Counter()
    for number in range(tries):
        target = tmp_path / f"after-{number}"
        disk.after_cut(target, random.Random(number))
        found[frozenset((file.name, file.read_bytes()) for file in target.rglob("*") if file.is_file())] += 1
    return found  # type: ignore[return-value]


SYNCED = """
    import os
    handle = os.open("a", os.O_WRONLY | os.O_CREAT)
    os.write(handle, b"x" * 2048)
    os.fsync(handle)
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
"""


def test_what_was_synced_with_its_name_is_there_after_every_cut(tmp_path: Path) -> None:
    disk, log = recorded(tmp_path, SYNCED)
    for record in records(log):
        disk.follow(record)
    assert disk.at_stake == 0
    assert after(disk, tmp_path) == {frozenset({("a", b"x" * 2048)}): 60}


def test_what_was_not_synced_is_there_absent_or_torn(tmp_path: Path) -> None:
    disk, log = recorded(tmp_path, SYNCED + '    os.pwrite(handle, b"y" * 2048, 0)')
    for record in records(log):
        disk.follow(record)
    contents = {content for state in after(disk, tmp_path) for _, content in state}
    assert {b"x" * 2048, b"y" * 2048} < contents
    assert all(set(content[at : at + 512]) in ({120}, {121}) for content in contents for at in range(0, 2048, 512))


def test_a_name_is_safe_only_once_its_folder_was_synced(tmp_path: Path) -> None:
    disk, log = recorded(tmp_path, SYNCED + '    os.rename("a", "b")')
    for record in records(log):
        disk.follow(record)
    assert {name for state in after(disk, tmp_path) for name, _ in state} == {"a", "b"}
    assert all(len(state) == 1 for state in after(disk, tmp_path / "folder"))


def test_a_blob_that_was_put_survives_a_cut_at_any_moment(tmp_path: Path) -> None:
    """Also the first one of a new folder: its name is kept in one that was just made."""
    disk, log = recorded(
        tmp_path,
        """
        from pathlib import Path
        from penstock.storage.blobs import BlobStore
        blobs = BlobStore(Path("state/blobs").absolute())
        for number in range(3):
            print(blobs.put(b"content %d" % number), flush=True)
        """,
    )
    told: list[str] = []
    for place, record in enumerate(records(log)):
        if record.kind == ACKNOWLEDGED:
            told.append(record.data.decode())
        else:
            disk.follow(record)
        for number in range(5):
            target = tmp_path / f"{place}-{number}"
            disk.after_cut(target, random.Random(number))
            kept = {file.name: file.read_bytes() for file in target.rglob("*") if file.is_file()}
            assert told == [digest for digest in told if kept.get(digest, b"").startswith(b"content ")]
    assert len(told) == 3


def test_a_new_file_with_a_removed_ones_inode_leaves_that_ones_content_alone(tmp_path: Path) -> None:
    """The removal may be undone by the cut: then the first file is there, with what was synced into it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"first")
    disk, inode = Disk(folder), (folder / "a").stat().st_ino
    one, other = (os.fsencode(disk.folder + name) for name in ("/a", "/b"))
    for kind, data in (("U", one), ("C", other), ("W", b"other"), ("S", b""), ("Z", b"")):
        disk.follow(Record(kind, 0 if kind == "U" else inode, 0, data))
    found = {dict(state).get("a") for state in after(disk, tmp_path)}
    assert found == {b"first", None}
