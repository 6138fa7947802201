"""The command line: one file a stage. Commands import what they need when they run, so `--help` stays fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 bad usage or bad input, 3 the gate said no."""
    if _command(sys.argv[1:]) == "backup":
        _give_way()  # first: even loading the command takes time from those who are served
    from penstock.cli.root import run

    sys.exit(run(sys.argv[1:]))


def _command(words: Sequence[str]) -> str | None:
    """The first word that is no option and no option's value."""
    before = ""
    for word in words:
        if not word.startswith("-") and before not in ("--workspace", "-C"):
            return word
        before = word
    return None


def _give_way() -> None:
    """Run only when a processor has nothing else to do, where the system can. Niceness alone lets a request wait for a
    tick at each change of threads."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
