"""How fast `penstock --help` answers, beside a bare Python and a bare typer program; median of 11.

python -m benchmarks.command_line
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.common import median_seconds, report

BARE = "import typer\napp = typer.Typer()\n@app.command()\ndef hello() -> None: ...\napp()"


def main() -> None:
    for name, command in {
        "penstock --help": [sys.executable, "-m", "penstock", "--help"],
        "a bare typer program": [sys.executable, "-c", BARE, "--help"],
        "a bare python": [sys.executable, "-c", "pass"],
    }.items():
        seconds = median_seconds(lambda c=command: subprocess.run(c, capture_output=True, check=True), 11)
        report(name, milliseconds=round(1000 * seconds))


if __name__ == "__main__":
    main()
