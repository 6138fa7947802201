"""A disk that is full or fails at each call of a writing command: `python -m benchmarks.full_disk [--step 1]`.

A line of JSON per command and fault: how many calls were made to fail, and what was wrong after any. Linux, with a C
compiler; runs as an ordinary user.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


def main() -> int:
    from faults.full import COMMANDS, FAULTS, desk, every_site
    from faults.shim import why_not

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="fail every so many-th call only")
    parser.add_argument("--command", action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    if wrong := why_not():
        print(json.dumps({"benchmark": "full_disk", "skipped": wrong}))
        return 0
    sites = faulty = 0
    with tempfile.TemporaryDirectory() as place, desk(Path(place).resolve()) as opened:
        for command in COMMANDS:
            if options.command and command.name not in options.command:
                continue
            for fault in FAULTS:
                report = every_site(opened, command, fault, step=options.step)
                print(json.dumps({"benchmark": "full_disk", **report.to_json()}), flush=True)
                sites, faulty = sites + report.sites, faulty + len(report.faults)
    print(json.dumps({"benchmark": "full_disk", "sites": sites, "faults": faulty, "passed": sites > 0 == faulty}))
    return 1 if faulty or not sites else 0


if __name__ == "__main__":
    sys.exit(main())
