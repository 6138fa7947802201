"""How a customer pays, and how it stands: prepaid or by invoice, credit, what is owed, what is left to spend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.asking import DryRun, Yes, confirmed
from penstock.cli.output import OPTIONS, note, show
from penstock.cli.plans import CustomerArg

if TYPE_CHECKING:
    from penstock.billing.accrual import Standing


def customer_terms(
    customer: CustomerArg,
    terms: Annotated[str | None, typer.Argument(metavar="[prepaid|invoice]", help="Default: show the terms.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Show or set how a customer pays: prepaid (use stops when its credit is used up) or by invoice."""
    from penstock.billing.accrual import standing_of
    from penstock.billing.terms import checked_terms, set_terms
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        wanted = None if terms is None else checked_terms(terms)
        now = standing_of(tx, who.id, house.workspace.company)
    note(_meaning(who.name, wanted or now.terms, now))
    if wanted is not None and wanted != now.terms and not dry_run:
        confirmed(f"Set the terms of {who.name} to {wanted}?", yes=yes)
        with house.store.transaction() as tx:
            set_terms(tx, who.id, wanted)
            now = standing_of(tx, who.id, house.workspace.company)
    show({"customer": who.name, **_facts(now)}, rows=[_row(who.name, now)])


def credit_balance(customer: CustomerArg) -> None:
    """A customer's credit, what it owes, and what is left to spend."""
    from penstock.billing.accrual import standing_of
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        now = standing_of(tx, who.id, house.workspace.company)
    show({"customer": who.name, **_facts(now)}, rows=[_row(who.name, now)])
    if now.terms == "invoice":
        note("it pays by invoice: nothing stops its use; its next invoices take the credit")
    elif now.left.amount_minor < 0:
        note(f"its use is refused until {-now.left} of credit is added")


def _meaning(name: str, terms: str, now: Standing) -> str:
    if terms == "invoice":
        took = f"; they take its {now.credit} of credit first" if now.credit.amount_minor else ""
        return f"by invoice: {name} is served whatever it owes, and pays what invoices ask for{took}"
    known = f"{now.credit} of credit, {now.owed} owed"
    said = f"prepaid: {name} is served as long as its credit covers all it owes ({known})"
    if now.left.amount_minor < 0:
        return f"{said}; its use stops until {-now.left} of credit is added"
    return f"{said}; {now.left} is left to spend"


def _facts(now: Standing) -> dict[str, Any]:
    return {**vars(now), "balance": now.left}


def _row(name: str, now: Standing) -> dict[str, Any]:
    """Only what is there: a column of zeros says nothing."""
    parts = {"open invoices": now.open_invoices, "plan fees": now.plan_fees, "running use": now.running_use}
    more = {**parts, "held": now.held, "tax": now.tax}
    shown = {what: amount for what, amount in more.items() if amount.amount_minor}
    left = now.left if now.terms == "prepaid" else "not bounded"
    return {"customer": name, "terms": now.terms, "credit": now.credit, **shown, "owed": now.owed, "left": left}
