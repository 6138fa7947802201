"""Run: everything (up), a gateway alone (serve), the office alone (office)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note
from penstock.core.private import loose, only_ours, tightened

AnnounceOption = Annotated[Path | None, typer.Option(hidden=True, help="Write the address here once ready.")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port.")]


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(serve)
    app.command()(office)


def up(
    gateway_port: PortOption = None,
    office_port: PortOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the console in the browser, signed in.")] = False,
) -> None:
    """Start the gateway and the office (console, admin, background work); stop both with Ctrl-C."""
    note("starting the gateway and the office; the first start takes some seconds")  # before anything is loaded
    from penstock.app import run_up

    _tell_loose()
    with only_ours():
        code = run_up(OPTIONS.workspace, gateway_port=gateway_port, office_port=office_port, browse=open_)
    raise typer.Exit(code)


def serve(host: str | None = None, port: PortOption = None, announce: AnnounceOption = None) -> None:
    """Start a gateway alone."""
    from penstock.app import run_gateway

    if announce is None:  # `up` has told it
        _tell_loose()
    with only_ours():
        code = run_gateway(OPTIONS.workspace, host=host, port=port, announce=announce)
    raise typer.Exit(code)


def office(host: str | None = None, port: PortOption = None, announce: AnnounceOption = None) -> None:
    """Start the office alone: console, admin interface and background work."""
    from penstock.app import run_office

    if announce is None:
        _tell_loose()
    with only_ours():
        code = run_office(OPTIONS.workspace, host=host, port=port, announce=announce)
    raise typer.Exit(code)


def _tell_loose() -> None:
    """Say which kept files others on this machine may read, e.g. of an earlier version, and what closes them."""
    state = OPTIONS.workspace / ".penstock"
    if found := loose(state):
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        note(f"others on this machine may read {found[0]}{more}; close them: {tightened(state)}")
