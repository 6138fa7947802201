"""The demo: all of it, from the example's data to a paid invoice, a partner's statement and a retrained release."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    folder: Annotated[
        Path | None, typer.Option(help="A new folder (default: penstock-demo, or the next free number).")
    ] = None,
) -> None:
    """Play the whole story on the example workspace over real HTTP, in under two minutes."""
    from penstock.core.errors import Conflict
    from penstock.demo.story import play

    target = folder or _free(Path("penstock-demo"))
    if target.exists():
        raise Conflict(
            "the demo wants a fresh folder, but this one exists", where=str(target), hint="choose another --folder"
        )
    began = time.monotonic()
    with shown_progress() as progress:
        facts = play(target, lambda text: note(f"[{time.monotonic() - began:5.1f} s] {text}"), progress)
    rows = [{"what happened": f.what, "number": f.number, "look at it with": f.look} for f in facts]
    show(facts, rows=rows, title=f"From labelled files to money in the bank, in {time.monotonic() - began:.0f} seconds")
    if not OPTIONS.json:
        statement = next(f.look for f in facts if f.look.startswith("penstock statement"))
        note(_goodbye(target, statement))


def _free(wanted: Path) -> Path:
    number = 1
    target = wanted
    while target.exists():
        number += 1
        target = wanted.with_name(f"{wanted.name}-{number}")
    return target


def _goodbye(folder: Path, statement: str) -> str:
    return f"""The workspace is yours to look at (with .venv/bin/ before penstock if it is not on your path):
  cd {folder}
  penstock up                             the console and the gateway, on this machine only
  penstock report helpdesk --html report.html
  penstock invoice list
  {statement}
  penstock ledger balances"""
