"""A process whose workflow trains in a child, for the test that presses Ctrl-C: STATE URL."""

import sys
from pathlib import Path
from typing import Any

from penstock.runtime.executors import run_child
from penstock.runtime.workflows import Workflows, step

state, url = Path(sys.argv[1]), sys.argv[2]


def train() -> Any:
    if not (state / "pid").exists():
        return run_child("child_jobs", "linger", {"file": str(state / "pid")})
    return run_child("child_jobs", "double", {"numbers": [1, 2]})["doubled"]


workflows = Workflows(state, url, "interrupted")
workflows.define("train", lambda arguments: step("train", train))
try:
    with workflows:
        print(workflows.run_or_resume("train", {}, print))
except KeyboardInterrupt:
    print("stopped")
    sys.exit(130)
