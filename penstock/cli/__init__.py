"""The command line: one file a stage. Commands import what they need when they run, so `--help` stays fast."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 bad usage or bad input, 3 the gate said no."""
    from penstock.cli.root import run

    sys.exit(run(sys.argv[1:]))
