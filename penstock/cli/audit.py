"""The audit log: who changed what, and whether the log is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, show

if TYPE_CHECKING:
    from penstock.storage.audit import Entry

_SHOWN = 3  # changes of an entry in the table; --json has all


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Who changed what, when and from where.", no_args_is_help=True)
    group.command("list")(audit_list)
    group.command("verify")(audit_verify)
    app.add_typer(group, name="audit")


def audit_list(
    who: Annotated[str | None, typer.Option(help="An operator, a user of this machine, or `key ID`.")] = None,
    about: Annotated[str | None, typer.Option(help="An id of anything; a customer's or partner's name.")] = None,
    since: Annotated[str | None, typer.Option(help="A day or a time, as the company reads it.")] = None,
    until: Annotated[str | None, typer.Option(help="A day (included) or a time.")] = None,
    before: Annotated[int | None, typer.Option(help="Only entries older than this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Entries of the audit log, newest first: who, what, before, after, from where."""
    from penstock.pipeline.audit import find_entries
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        found = find_entries(tx, house, who=who, about=about, since=since, until=until, before=before, limit=limit)
    show(found, rows=[_row(one) for one in found])
    if len(found) == limit:
        note(f"for older ones: --before {found[-1].number}")


def audit_verify(
    expect: Annotated[
        str | None, typer.Option(help="NUMBER:HASH as told before: that entry must still be there, unchanged.")
    ] = None,
) -> None:
    """Check that no entry was changed, taken out or put in. Exits 1 when one was."""
    from penstock.pipeline.audit import verify_log
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = verify_log(tx, expect)
    head = f"{found.last}:{found.head}"
    rows: list[dict[str, Any]] = [{"problem": one} for one in found.problems]
    whole = {"audit log": "whole", "entries": found.entries, "emptied by erasures": found.emptied, "head": head}
    show({**vars(found), "kept": head}, rows=rows or [whole])
    if found.problems:
        raise typer.Exit(1)
    note(f"keep the head elsewhere; later: penstock audit verify --expect {head}")


def _row(one: Entry) -> dict[str, Any]:
    from penstock.pipeline.audit import change_words

    words = change_words(one.changes)
    more = len(words) - _SHOWN + sum(one.more.values())
    told = words[:_SHOWN] + ([f"and {more:,} more"] if more > 0 else [])
    who = f"{one.who} ({one.role})" if one.role else one.who
    return {
        "number": one.number,
        "at": one.at,
        "who": who,
        "from": one.origin,
        "act": one.act,
        "changed": "; ".join(told),
    }
