"""Release: sell a candidate that passed; look at what is live; go back at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, show
from penstock.core.acts import who_acts

if TYPE_CHECKING:
    from penstock.pipeline.privacy.lineage import Standing
    from penstock.registry.releases import Release


def register(app: typer.Typer) -> None:
    app.command()(release)
    app.command()(rollback)
    app.command()(releases)


def release(
    product: Annotated[str, typer.Argument(help="A product, or one of its candidates: P/3.")],
    candidate: Annotated[
        str | None,
        typer.Option(help="3, P/3 or its id. Default: the newest that passed, or the one chosen of an exploration."),
    ] = None,
) -> None:
    """Make a candidate the live release. Gateways switch within a second and drop nothing."""
    from penstock.billing.versions import priced_products
    from penstock.pipeline.runs.reports import passed_candidate, split_reference
    from penstock.registry import releases as registry
    from penstock.registry.candidates import list_candidates
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    product, candidate = split_reference(product, candidate)
    with house.store.transaction() as tx:
        if not list_candidates(tx, product):
            product_of(house.workspace, product)
        chosen, why = passed_candidate(house, tx, product, candidate)
        made = registry.release(tx, chosen.id, house.secret("decisions"), actor=who_acts())
        sold = product in priced_products(tx)
    show(made, rows=_rows([made]))
    note(f"{product}: release {made.number} is live (candidate {chosen.number}, {chosen.rung}: it {why})")
    if not sold:
        note(f"{product} has no published price: customers are refused until you publish it with  penstock apply")


def rollback(product: str) -> None:
    """Put the previous release live again."""
    from penstock.registry import releases as registry
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        made = registry.rollback(tx, product, actor=who_acts())
    show(made, rows=_rows([made]))
    note(f"{product}: release {made.number} is live again")


def releases(product: Annotated[str | None, typer.Argument()] = None) -> None:
    """Every release, live and retired."""
    from penstock.pipeline.privacy.lineage import standing_releases
    from penstock.runtime.house import open_house
    from penstock.workspace.loader import product_of

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        found = standing_releases(tx, product)
    if not found and product is not None:
        product_of(house.workspace, product)
    learned = [one for one in found if one.erased_customers]
    rows = _rows(found)
    if learned:
        for row, one in zip(rows, found, strict=True):
            row["learned from erased"] = ", ".join(one.erased_customers)
    show(found, rows=rows)
    for one in learned:
        if one.state == "live":
            note(
                f"{one.product}: release {one.number} is live and learned from {', '.join(one.erased_customers)}, "
                f"erased since: delete the rows that name the customer, then  penstock retrain {one.product}"
            )


def _rows(found: Sequence[Release | Standing]) -> list[dict[str, Any]]:
    """What people look for; the hashes and decisions stand in --json."""
    return [
        {
            "product": one.product,
            "release": one.number,
            "state": one.state,
            "candidate": one.candidate,
            "made": one.created_at,
            "retired": one.retired_at,
            "id": one.id,
        }
        for one in found
    ]
