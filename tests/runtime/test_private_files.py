"""What a workspace keeps is its owner's: e-mails, messages and key hashes are for nobody else on the machine."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.cli.root import run
from penstock.core.errors import Unavailable
from penstock.core.private import loose
from penstock.demo.processes import running
from penstock.runtime.house import open_house
from penstock.runtime.workflows import Workflows
from penstock.storage.blobs import BlobStore

TOML = '[company]\nname = "Harbour AI"\n'


@pytest.mark.parametrize("before", [None, 0o755])
def test_the_state_folder_and_the_database_are_private(tmp_path: Path, before: int | None) -> None:
    (tmp_path / "penstock.toml").write_text(TOML)
    state = tmp_path / ".penstock"
    if before is not None:  # made by an earlier version
        state.mkdir(mode=before)
        state.chmod(before)
        (state / "penstock.sqlite").touch(mode=0o644)
    umask = os.umask(0o022)
    try:
        house = open_house(tmp_path, create=True)
        with house.store.transaction():
            pass
        assert state.stat().st_mode & 0o777 == 0o700
        kept = {file.name: file.stat().st_mode & 0o777 for file in state.glob("penstock.sqlite*")}
        assert kept and set(kept.values()) == {0o600}
        house.close()
    finally:
        os.umask(umask)


@pytest.fixture
def careless() -> Iterator[None]:
    """The umask of most machines: others may read what is made."""
    umask = os.umask(0o022)
    yield
    os.umask(umask)


def test_blobs_and_the_work_of_jobs_are_private(tmp_path: Path, careless: None) -> None:
    state = tmp_path / ".penstock"
    state.mkdir(mode=0o700)
    BlobStore(state / "blobs").put(b"messages")
    with Workflows(state, f"sqlite:///{state / 'penstock.sqlite'}", "cli-test"):
        (state / "runs" / "job").mkdir(parents=True)  # as a training does, in a child that inherits the mask
        (state / "runs" / "job" / "rows.json").write_text("{}")
    assert loose(state) == []
    (tmp_path / "report.html").touch()  # what people ask for elsewhere is theirs to show
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o644


def test_the_log_of_the_demo_is_private(tmp_path: Path, careless: None) -> None:
    (tmp_path / ".penstock").mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="did not start"), running(tmp_path):
        pass
    log = tmp_path / ".penstock" / "up.log"
    assert log.exists() and log.stat().st_mode & 0o777 == 0o600


def test_files_that_others_may_read_are_told_at_the_start_and_by_doctor(
    tmp_path: Path, careless: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "penstock.toml").write_text(TOML)
    assert run(["apply", "-C", str(tmp_path)]) == 0
    capsys.readouterr()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        serve = ["serve", "-C", str(tmp_path), "--port", str(taken.getsockname()[1])]
        assert run(serve) == 2
        assert "chmod" not in capsys.readouterr().err
        (tmp_path / ".penstock" / "up.log").write_text("e-mails")  # of an earlier version
        assert run(serve) == 2
    told = capsys.readouterr().err
    assert "up.log" in told and f"chmod -R go-rwx {tmp_path / '.penstock'}" in told
    run(["doctor", "-C", str(tmp_path), "--json"])
    [found] = [row for row in json.loads(capsys.readouterr().out) if row["what"] == "files"]
    assert found["verdict"] == "doubt" and "up.log" in found["found"] and "chmod" in found["remedy"]
