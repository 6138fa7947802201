"""What a killed writer leaves is known, goes with the next, and what is being written is left alone."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.storage.drafts import abandoned, draft_of

WRITER = """
import sys
from pathlib import Path
from penstock.storage.drafts import draft_of
with draft_of(Path(sys.argv[1]), folder=sys.argv[3] == "folder", register=Path(sys.argv[2])) as draft:
    print(draft, flush=True)
    sys.stdin.read()
"""


def writer(target: Path, register: Path, kind: str) -> tuple[subprocess.Popen[str], Path]:
    command = [sys.executable, "-c", WRITER, str(target), str(register), kind]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_named_and_goes_with_the_next(tmp_path: Path, kind: str) -> None:
    register = tmp_path / "state" / "drafts"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process, left = writer(elsewhere / "blue.zip", register, kind)
    assert left.parent == elsewhere and abandoned(register) == []
    with draft_of(tmp_path / "other", register=register):
        assert left.exists()  # its writer lives
    kill(process)
    assert left.exists() and abandoned(register) == [left]
    with draft_of(tmp_path / "other", register=register):
        assert not left.exists()
    assert abandoned(register) == [] and list(register.iterdir()) == []


def test_without_a_register_the_next_of_that_name_clears(tmp_path: Path) -> None:
    process, left = writer(tmp_path / "copy", tmp_path / "unseen", "folder")
    kill(process)
    mine = tmp_path / ".copy.part-of-mine"
    mine.write_text("somebody's own")
    with draft_of(tmp_path / "other"):
        assert left.exists()
    with draft_of(tmp_path / "copy", folder=True) as draft:
        assert not left.exists() and mine.exists() and stat.S_IMODE(draft.stat().st_mode) == 0o700
    assert not draft.exists()
