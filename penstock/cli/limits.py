"""Limits in money and at once: of customers and of keys, with what is used of them."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show
from penstock.cli.plans import CustomerArg

MoneyArg = Annotated[str | None, typer.Argument(metavar="[AMOUNT]", help="A month, before tax; leave out for none.")]


def register(customer: typer.Typer, key: typer.Typer) -> None:
    """Add the commands to their groups."""
    customer.command("spend-limit")(customer_spend_limit)
    customer.command("spending")(customer_spending)
    key.command("limit")(key_limit)


def customer_spend_limit(customer: CustomerArg, amount: MoneyArg = None) -> None:
    """Cap what a customer's use may come to in a month, whatever the product."""
    from penstock.billing.spending import set_spend_limit
    from penstock.core.money import exact_money
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    limit = None if amount is None else exact_money(amount, house.workspace.company.currency)
    with house.store.transaction() as tx:
        who = get_customer(tx, customer)
        set_spend_limit(tx, who.id, limit)
    note(f"{who.name}: {'no limit in money' if limit is None else f'at most {limit} a month before tax'}")


def customer_spending(customer: CustomerArg) -> None:
    """A customer's limits this month, with what is used of each, and the warnings given."""
    from penstock.billing.limit_states import limit_states, warnings_of
    from penstock.core.clock import period_at
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    company = house.workspace.company
    with house.store.transaction() as tx:
        who = get_customer(tx, customer).id
        states = limit_states(tx, who, company)
        warned = warnings_of(tx, who, period_at(tx.shared_now, company.timezone).name)
    show(
        [
            {
                "limit": one.subject,
                "at_most": f"{one.limit:f}",
                "used": f"{one.used:f}",
                "percent": one.percent,
                "warned_at": [each.percent for each in warned if each.subject == one.subject],
            }
            for one in states
        ]
    )


def key_limit(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id: see `penstock key list`.")],
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests answered at once, in each gateway.")] = None,
    money: Annotated[str | None, typer.Option(help="What its use may come to in a month, before tax.")] = None,
) -> None:
    """Set both limits of a key; one that is left out is lifted."""
    from penstock.core.money import exact_money
    from penstock.runtime.house import open_house
    from penstock.serving.limits import set_key_limit

    house = open_house(OPTIONS.workspace)
    amount = None if money is None else exact_money(money, house.workspace.company.currency)
    with house.store.transaction() as tx:
        set_key_limit(tx, key, concurrency=concurrency, amount_minor=None if amount is None else amount.amount_minor)
    show({"key": key, "concurrency": concurrency, "money": amount})
