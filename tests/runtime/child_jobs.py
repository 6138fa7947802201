"""Jobs that the tests run in child processes: `python -m child_jobs NAME`."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from penstock.core.errors import QuotaExceeded
from penstock.runtime.child import run_job
from penstock.runtime.progress import Progress


def double(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    print("this goes to stderr, not into the answer")
    for done in range(3):
        progress("doubling", done + 1, 3, f"row {done}")
    return {"doubled": [2 * n for n in arguments["numbers"]], "nice": os.nice(0)}


def refuse(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    raise QuotaExceeded("too many rows", where="data.csv:7", hint="use fewer", retry_after_s=2.5)


def stumble(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return {"value": arguments["missing"]}


def vanish(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    os.write(2, b"allocating 900 GB\n")
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def leave(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    os._exit(3)


def linger(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Says its process id, then sleeps."""
    Path(arguments["file"]).write_text(str(os.getpid()))
    progress("lingering", 1, 2)
    time.sleep(60)
    return {}


if __name__ == "__main__":
    run_job({job.__name__: job for job in (double, refuse, stumble, vanish, leave, linger)})
