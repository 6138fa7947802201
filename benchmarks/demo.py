"""How long `penstock demo` takes, and what the gateway of its workspace weighs when idle with both products loaded.

python -m benchmarks.demo [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.common import report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    seconds = []
    for run in range(parser.parse_args().runs):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "demo"
            began = time.perf_counter()
            command = [sys.executable, "-m", "penstock", "demo", "--folder", str(folder), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - began)
            if run == 0:
                report("demo facts", rows=len(json.loads(done.stdout)))
                idle_gateway(folder)
    report("penstock demo", seconds=round(statistics.median(seconds), 1), runs=len(seconds))


def idle_gateway(folder: Path) -> None:
    """Resident memory of a gateway that serves both products, two seconds after it is ready."""
    command = [sys.executable, "-m", "penstock", "--workspace", str(folder), "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        time.sleep(2)
        resident = psutil.Process(process.pid).memory_info().rss / 1e6
        report("idle gateway", resident_mb=round(resident), said=line.strip())
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
