"""The tax rate that a customer has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, show
from penstock.cli.plans import CustomerArg

if TYPE_CHECKING:
    from penstock.billing.taxes import TaxVersion


def customer_tax(
    customer: CustomerArg,
    rate: Annotated[
        str | None, typer.Argument(metavar="[RATE]", help='Such as 6%, 0% (exempt), or "company" to end its own.')
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="MONTH", help="The first month, YYYY-MM.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it stands on the customer's invoices.")] = None,
) -> None:
    """Show or set the tax rate that a customer has of its own, from a month on. Invoiced months keep their rate."""
    from penstock.billing.taxes import customer_rates, now_in_force, set_customer_rate
    from penstock.core.errors import BadInput
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    timezone = house.workspace.company.timezone
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        if rate is not None:
            if start is None or reason is None:
                missing = "--from" if start is None else "--reason"
                raise BadInput(f"a rate needs {missing}", where=missing, hint='e.g. --from 2027-01 --reason "exempt"')
            set_customer_rate(tx, who.id, rate, start=start, reason=reason, timezone=timezone)
        now, own = now_in_force(tx, who.id), customer_rates(tx, who.id)
    this_month = {"rate": now.rate if now else None, "reason": now.reason if now else ""}
    versions = [_version(one, timezone) for one in own]
    shown = {"customer": who.name, **this_month}
    rows = [{**one, "rate": version.percent} for one, version in zip(versions, own, strict=True)]
    words = "the company's rate in every month" if now is None or not own else ""
    show({**shown, "versions": versions}, rows=rows or [{"customer": who.name, "rate": words}])


def _version(one: TaxVersion, timezone: str) -> dict[str, Any]:
    from penstock.core.clock import period_at

    month = period_at(one.effective_from, timezone).name
    return {"from": month, "rate": one.rate, "reason": one.reason, "created_at": one.created_at}
