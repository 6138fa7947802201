"""Release: sell a candidate that passed; look at what is live; go back at once."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show


def register(app: typer.Typer) -> None:
    app.command()(release)
    app.command()(rollback)
    app.command()(releases)


def release(
    product: str,
    candidate: Annotated[str | None, typer.Option(help="Default: the newest that passed.")] = None,
) -> None:
    """Make a candidate the live release. Gateways switch within a second and drop nothing."""
    from penstock.jobs.reports import passed_candidate
    from penstock.registry import releases as registry
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        chosen = passed_candidate(tx, product, candidate)
        made = registry.release(tx, chosen.id, house.secret("decisions"))
    show(made)
    note(f"{product}: release {made.number} is live (candidate {chosen.number}, {chosen.rung})")


def rollback(product: str) -> None:
    """Put the previous release live again."""
    from penstock.registry import releases as registry
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        made = registry.rollback(tx, product)
    show(made)
    note(f"{product}: release {made.number} is live again")


def releases(product: Annotated[str | None, typer.Argument()] = None) -> None:
    """Every release, live and retired."""
    from penstock.registry.releases import list_releases
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        rows = list_releases(tx, product)
    show(rows)
