"""Asks before something that is hard to take back: on a terminal only, and never under --yes, --no-input or --json."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: do it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


def confirmed(question: str, *, yes: bool) -> None:
    """Return when it may go on; end the command with exit 1 when a person says no."""
    if yes or OPTIONS.no_input or OPTIONS.json or not sys.stdin.isatty():
        return
    if not typer.confirm(question, err=True):
        note("nothing was changed")
        raise typer.Exit(1)
