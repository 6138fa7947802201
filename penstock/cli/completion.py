"""Completion: the words of this command line for a shell's Tab key."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import note, text
from penstock.core.errors import BadInput

SHELLS = ("bash", "zsh", "fish")
_PLACES = {
    "bash": "penstock completion bash >> ~/.bashrc",
    "zsh": "penstock completion zsh > ~/.zfunc/_penstock  (a folder of your fpath)",
    "fish": "penstock completion fish > ~/.config/fish/completions/penstock.fish",
}


def register(app: typer.Typer) -> None:
    app.command()(completion)


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the script that completes commands with Tab. `penstock --install-completion` puts it in its place."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # its module's own, not exported

    if shell not in SHELLS:
        raise BadInput(f"there is no completion for {shell!r}", where="SHELL", hint=f"use one of {', '.join(SHELLS)}")
    text(get_completion_script(prog_name="penstock", complete_var="_PENSTOCK_COMPLETE", shell=shell))
    note(f"keep it: {_PLACES[shell]}")
