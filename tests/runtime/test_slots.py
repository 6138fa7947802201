"""A process finds the name it had before, also when it was killed; two that run never share one."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from penstock.runtime.slots import slot


def names(first: int = 1) -> Callable[[], str]:
    count = itertools.count(first)
    return lambda: f"gw_{next(count)}"


def test_a_restart_has_the_name_of_before_and_takes_over_what_that_left(tmp_path: Path) -> None:
    left: list[str] = []
    new_name = names()
    with slot(tmp_path, new_name, left.append) as first:
        pass
    with slot(tmp_path, new_name, left.append) as again:
        pass
    assert first == again == "gw_1" and left == ["gw_1", "gw_1"]


def test_two_that_run_have_names_of_their_own_and_nothing_of_a_living_one_is_taken(tmp_path: Path) -> None:
    left: list[str] = []
    new_name = names()
    with slot(tmp_path, new_name, left.append) as first:
        with slot(tmp_path, new_name, left.append) as second:
            assert (first, second) == ("gw_1", "gw_2") and left == ["gw_1", "gw_2"]
        with slot(tmp_path, new_name, left.append) as third:
            assert third == "gw_2" and left == ["gw_1", "gw_2", "gw_2"]
    with slot(tmp_path, new_name, left.append):
        assert left[3:] == ["gw_1", "gw_2"]  # the second ended too, and nobody has its name now


def test_a_killed_process_leaves_its_name_to_the_next(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from penstock.runtime.slots import slot\n"
        "with slot(Path(sys.argv[1]), lambda: 'gw_9', lambda name: None) as name:\n"
        "    print(name, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "gw_9\n"
    with slot(tmp_path, names(), print) as beside:
        assert beside == "gw_1"
    child.kill()
    child.wait()
    left: list[str] = []
    with slot(tmp_path, names(), left.append) as name:
        assert name == "gw_9" and left == ["gw_9", "gw_1"]


def test_a_copy_of_the_folder_shares_no_name(tmp_path: Path) -> None:
    with slot(tmp_path / "one", names(), print):
        pass
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    left: list[str] = []
    with slot(tmp_path / "two", names(7), left.append) as name:
        assert name == "gw_7" and left == ["gw_7"]
