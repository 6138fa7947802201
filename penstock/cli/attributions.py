"""Attributions that look like self-referral: seen, cleared or rejected by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.asking import Yes, confirmed
from penstock.cli.output import OPTIONS, note, show
from penstock.cli.plans import CustomerArg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.channels.reviews import Review
    from penstock.storage.engine import Transaction

Reason = Annotated[str, typer.Option("--reason", help="What you looked at; it is kept.")]


def register(group: typer.Typer) -> None:
    group.command("list")(attribution_list)
    group.command("clear")(attribution_clear)
    group.command("reject")(attribution_reject)
    group.command("check")(attribution_check)


def attribution_list(
    held: Annotated[bool, typer.Option("--held", help="Only those that wait for a decision.")] = False,
) -> None:
    """Who brought which customer, and what is or was held for review, with the reason."""
    from penstock.channels.attribution import list_attributions
    from penstock.channels.reviews import list_reviews
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        reviews = {one.customer: one for one in list_reviews(tx)}
        names = _names(tx)
        rows = []
        for one in list_attributions(tx):
            review = reviews.get(one.customer)
            if held and (review is None or review.state != "held"):
                continue
            who = {"customer": names[one.customer], "partner": names[one.partner], "since": one.attributed_at}
            rows.append({**who, **_review_cells(review)})
    show(rows, rows=rows)


def attribution_clear(customer: CustomerArg, reason: Reason) -> None:
    """Say that a held attribution is honest: what it earned is payable."""
    from penstock.channels.reviews import clear
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        said = clear(tx, customer, reason)
        names = _names(tx)
    show(said, rows=_rows([said], names))


def attribution_reject(customer: CustomerArg, reason: Reason, yes: Yes = False) -> None:
    """Say that a held attribution is not honest: its commissions are taken back, and it earns no more. Final."""
    from penstock.channels.commissions import reject
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    confirmed(f"Reject it? Commissions on what {customer} paid are taken back, for good.", yes=yes)
    with house.store.transaction() as tx:
        said = reject(tx, customer, reason)
        names = _names(tx)
    show(said, rows=_rows([said], names))


def attribution_check() -> None:
    """Look at every attribution again, those too that were made before there were reviews."""
    from penstock.channels.reviews import look_at_all
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        found = look_at_all(tx)
        names = _names(tx)
    if not found:
        note("nothing is held for review")
    if found or OPTIONS.json:
        show(found, rows=_rows(found, names))


def _names(tx: Transaction) -> dict[str, str]:
    from penstock.channels.partners import list_partners
    from penstock.identity.customers import list_customers

    return {one.id: one.name for one in list_customers(tx)} | {one.id: one.name for one in list_partners(tx)}


def _rows(found: Sequence[Review], names: dict[str, str]) -> list[dict[str, Any]]:
    return [{"customer": names[one.customer], "partner": names[one.partner], **_review_cells(one)} for one in found]


def _review_cells(review: Review | None) -> dict[str, Any]:
    if review is None:
        return {"review": "", "why": "", "decision": ""}
    return {"review": review.state, "why": "; ".join(map(str, review.signs)), "decision": review.decision}
