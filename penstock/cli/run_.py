"""Run: everything (up), a gateway alone (serve), the office alone (office)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note
from penstock.core.private import loose, only_ours, tightened

LEAVING_S = 5.0
AnnounceOption = Annotated[Path | None, typer.Option(hidden=True, help="Write the address here once ready.")]
ParentOption = Annotated[int | None, typer.Option(hidden=True, help="End when the process of this id does.")]
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


def serve(
    host: str | None = None,
    port: PortOption = None,
    announce: AnnounceOption = None,
    parent: ParentOption = None,
) -> None:
    """Start a gateway alone."""
    from penstock.app import run_gateway

    _begin(parent, announce)
    with only_ours():
        code = run_gateway(OPTIONS.workspace, host=host, port=port, announce=announce)
    _leave(code)


def office(
    host: str | None = None,
    port: PortOption = None,
    announce: AnnounceOption = None,
    parent: ParentOption = None,
) -> None:
    """Start the office alone: console, admin interface and background work."""
    from penstock.app import run_office

    _begin(parent, announce)
    with only_ours():
        code = run_office(OPTIONS.workspace, host=host, port=port, announce=announce)
    _leave(code)


def _begin(parent: int | None, announce: Path | None) -> None:
    """End with the parent that started it, if any did; say which files are loose, where `up` has not told it."""
    from penstock.runtime.parent import end_with

    if parent is not None:
        end_with(parent)
    if announce is None:
        _tell_loose()


def _leave(code: int) -> None:
    """End the process, also when a thread still waits for a database that hangs."""
    from penstock.runtime.parent import last_call

    last_call(LEAVING_S, lambda _: os._exit(code))
    raise typer.Exit(code)


def _tell_loose() -> None:
    """Say which kept files others on this machine may read, e.g. of an earlier version, and what closes them."""
    state = OPTIONS.workspace / ".penstock"
    if found := loose(state):
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        note(f"others on this machine may read {found[0]}{more}; close them: {tightened(state)}")
