"""Operators with their roles, sessions of browsers, and links that sign one in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from penstock.cli.asking import Yes, confirmed
from penstock.cli.output import OPTIONS, note, show, text

OperatorArg = Annotated[str, typer.Argument(help="Its name or id.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Who may do what in the console and the admin interface.", no_args_is_help=True)
    group.command("add")(operator_add)
    group.command("list")(operator_list)
    group.command("remove")(operator_remove)
    app.add_typer(group, name="operator")
    session = typer.Typer(help="Browsers that are signed in to the console.", no_args_is_help=True)
    session.command("list")(session_list)
    session.command("end")(session_end)
    app.add_typer(session, name="session")
    app.command("sign-in")(sign_in)


def operator_add(
    name: str,
    role: Annotated[str, typer.Option(help="owner, finance, operator or viewer.")],
) -> None:
    """Add an operator; prints its token, once. finance: the money. operator: customers, keys, partners, models. viewer:
    looks only. owner: all, also prices and operators."""
    from penstock.identity.operators import add_operator
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        made, token = add_operator(tx, name, role)
    if OPTIONS.json:
        show({"token": token, "id": made.id, "name": made.name, "role": made.role})
        return
    text(token)
    note(f"{made.name} ({made.role}) signs in with this token; it cannot be shown again")


def operator_list(
    removed: Annotated[bool, typer.Option("--removed", help="Also those that were removed.")] = False,
) -> None:
    """The operators and their roles. The admin token, .penstock/secrets/admin, is an owner beside them."""
    from penstock.identity.operators import list_operators
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = list_operators(tx, removed=removed)
    rows = [{k: v for k, v in vars(one).items() if k != "token_sha256"} for one in found]
    show(rows, rows=rows)


def operator_remove(operator: OperatorArg, yes: Yes = False) -> None:
    """Remove an operator: its token and its sessions hold no more from now on."""
    from penstock.identity.operators import remove_operator
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    confirmed(f"Remove {operator}?", yes=yes)
    with house.store.transaction() as tx:
        gone = remove_operator(tx, operator)
    row = {"id": gone.id, "name": gone.name, "role": gone.role, "removed_at": gone.removed_at}
    show(row, rows=[row])


def session_list() -> None:
    """The sessions that go on, newest first."""
    from penstock.identity.sessions import list_sessions
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        rows = [_row(one) for one in list_sessions(tx)]
    show(rows, rows=rows)


def session_end(
    session: Annotated[str | None, typer.Argument(help="Its id.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """End a session, or all: the browser is asked to sign in again."""
    from penstock.core.errors import BadInput
    from penstock.identity.sessions import end_session, list_sessions
    from penstock.runtime.house import open_house

    if (session is None) == (not everyone):
        raise BadInput("which session?", hint="give an id of `penstock session list`, or --all")
    with open_house(OPTIONS.workspace).store.transaction() as tx:
        ids = [one.id for one in list_sessions(tx)] if session is None else [session]
        rows = [_row(end_session(tx, one)) for one in ids]
    show(rows, rows=rows)


def sign_in(
    address: Annotated[str | None, typer.Option(help="Of the office (default: the one that runs here).")] = None,
) -> None:
    """Print a link that signs a browser in to the running office, once, within the hour."""
    from penstock.app.links import fetch_link
    from penstock.runtime.house import open_house

    link = fetch_link(open_house(OPTIONS.workspace), address)
    show({"link": link}) if OPTIONS.json else text(link)


def _row(one: Any) -> dict[str, Any]:
    who = {"id": one.id, "who": one.who.name, "role": one.who.role, "address": one.address}
    return {**who, "created_at": one.created_at, "expires_at": one.expires_at}
