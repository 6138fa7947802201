"""What the benchmarks share: finding the public data sets, running the command line, measuring a process."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def shared_data(name: str) -> Path:
    """The folder of a public data set: under $PENSTOCK_DATA, or shared/data beside the project."""
    tried = [Path(os.environ["PENSTOCK_DATA"])] if "PENSTOCK_DATA" in os.environ else []
    tried += [parent / "shared" / "data" for parent in ROOT.parents]
    for folder in tried:
        if (folder / name).is_dir():
            return folder / name
    sys.exit(f"the data set {name} is not here: set PENSTOCK_DATA to the folder that holds {name}/")


@dataclass(frozen=True)
class Ran:
    """A finished command: wall seconds, largest resident set of it and its children in MB, and its JSON output."""

    seconds: float
    peak_mb: float
    output: Any


def penstock(folder: Path, *words: str) -> Ran:
    """Run one command line with --json; a failure ends the benchmark with its message."""
    command = [sys.executable, "-m", "penstock", "--workspace", str(folder), "--json", *words]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} answered {done.returncode}:\n{done.stdout}\n{done.stderr}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Ran(seconds, peak, json.loads(done.stdout) if done.stdout.strip() else None)


def median_seconds(run: Callable[[], object], times: int) -> float:
    """The median wall time of `times` runs."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def report(name: str, **facts: Any) -> None:
    """One JSON line per figure, with the machine it was measured on."""
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"benchmark": name, **facts, **machine}, ensure_ascii=False), flush=True)
