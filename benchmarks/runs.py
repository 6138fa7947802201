"""5,000 runs: the commands that read them, beside the same with 50.

    python -m benchmarks.runs [--runs 5000]

Every tenth run is a training that made a candidate's figures, the others are trials, as a search leaves them.
"""

from __future__ import annotations

import argparse
import tempfile
from decimal import Decimal
from pathlib import Path

from benchmarks.common import median_seconds, penstock, report
from penstock.evaluation.intervals import Metric
from penstock.registry.runs import NewRun, add_run
from penstock.runtime.house import open_house

FEW, TIMES = 50, 5
TOML = """
[company]
name = "Benchmark"

[products.desk]
task = "text-classification"
data = "rows.csv"
gate = { accuracy = ">= 0.5" }
price = { tiers = [{ unit_price = "0.01" }] }
"""
COMMANDS = {
    "the newest page": ["list", "desk"],
    "the best page": ["list", "desk", "--sort", "accuracy"],
    "trials, the cheapest page": ["list", "desk", "--kind", "trial", "--sort", "cost_per_1000"],
    "twelve compared": ["compare", "desk", "--last", "12"],
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5_000)
    many = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as place:
        folders = {count: filled(Path(place) / str(count), count) for count in (FEW, many)}
        for name, words in COMMANDS.items():
            taken = {count: _seconds(folder, words) for count, folder in folders.items()}
            report(f"runs, {name}", **{f"seconds_of_{count}": round(each, 3) for count, each in taken.items()})


def filled(folder: Path, count: int) -> Path:
    """A workspace with so many runs of one product."""
    folder.mkdir()
    (folder / "penstock.toml").write_text(TOML)
    house = open_house(folder, create=True)
    with house.store.transaction() as tx:
        for number in range(count):
            quality = 0.5 + number / (3 * count)
            record = NewRun(
                operation=f"run {number}",
                product="desk",
                kind="trial" if number % 10 else "train",
                rung="full.v1",
                state="done",
                dataset_version="d" * 64,
                parameters={"peak": 1e-4 * (1 + number % 7), "epochs": 3.0, "smoothing": 0.1},
                metrics={
                    "accuracy": Metric(quality, quality - 0.02, quality + 0.02),
                    "cost_per_1000": Metric(0.02, 0.018, 0.023),
                },
                curves_blob=None,
                machine={"cpu": "EPYC", "cores": 2},
                code="0.1.0 abc",
                seed=0,
                seconds=12.5,
                cost=Decimal("0.000278"),
            )
            add_run(tx, record)
    house.close()
    return folder


def _seconds(folder: Path, words: list[str]) -> float:
    return median_seconds(lambda: penstock(folder, "runs", *words), TIMES)


if __name__ == "__main__":
    main()
