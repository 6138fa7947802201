"""Simulated power cuts: `python -m benchmarks.power [--cuts 2000] [--database postgres]`. Linux, with a C compiler.

A gateway under clients and an office at work are recorded, write by write. For each cut, what a disk may then hold is
rebuilt, opened, and held against what was acknowledged. Prints a line of JSON: the figures, then those of controls
that must lose. Runs as an ordinary user.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

CONTROLS = {"sqlite": ("--early", "--unsynced"), "postgres": ("--early", "fsync=off")}


def main() -> int:
    from faults.power import cut, record_postgres, record_sqlite
    from faults.shim import why_not

    options = _options()
    if wrong := why_not():
        print(json.dumps({"benchmark": "power", "skipped": wrong}))
        return 0
    record = record_sqlite if options.database == "sqlite" else record_postgres
    figures: dict[str, object] = {"benchmark": "power", "database": options.database}
    passed = True
    for control in (None, *CONTROLS[options.database]):
        with tempfile.TemporaryDirectory() as place:
            answers, cuts = (options.answers, options.cuts) if control is None else (300, min(options.cuts, 50))
            flags = (control,) if control else ()
            recording = record(
                Path(place), answers=answers, rounds=options.rounds if control is None else 1, flags=flags
            )
            report = cut(
                recording, cuts=cuts, seed=options.seed, within_s=options.minutes * 60, workers=options.workers
            )
        figures[control or "gateway"] = report.to_json()
        passed = passed and (report.sound if control is None else report.lost > 0)
    print(json.dumps({**figures, "passed": passed}))
    return 0 if passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, help="2000 on SQLite, 400 on Postgres, which needs seconds for each")
    parser.add_argument("--minutes", type=float, default=60.0, help="no more cuts after that")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--answers", type=int, default=3000, help="that are recorded")
    parser.add_argument("--rounds", type=int, default=4, help="starts of the gateway meanwhile")
    parser.add_argument("--workers", type=int, default=2, help="processes that rebuild and judge")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.cuts = options.cuts or {"sqlite": 2000, "postgres": 400}[options.database]
    return options


if __name__ == "__main__":
    sys.exit(main())
