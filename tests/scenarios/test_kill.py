"""A training killed with SIGKILL goes on where it was when the same command is given again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.scenarios.conftest import Penstock


def test_a_killed_training_is_continued(folder: Path, penstock: Penstock) -> None:
    penstock("apply")
    command = [sys.executable, "-m", "penstock", "--workspace", str(folder), "train", "router"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = ""
    for line in first.stderr or ():
        said += line
        if "router: train" in line:  # the data version is made, the rung is being trained
            os.kill(first.pid, signal.SIGKILL)
            break
    first.wait(30)
    assert first.returncode == -signal.SIGKILL, said
    time.sleep(0.2)  # the child notices that its parent is gone

    second = penstock("train", "router", "--json")
    assert second.code == 0, second.err
    assert "continuing job" in second.err
    assert "router: cleaning" not in second.err  # that step was recorded: it is not done again
    result = second.json()
    assert result["version"] == 1
    assert result["outcomes"][-1]["passed"]
    assert len(penstock("candidates", "router", "--json").json()) == 1
