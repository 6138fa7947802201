"""Subscriptions: who is on which plan. Says what holds from when, and what is due, before it changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.asking import DryRun, Yes, confirmed
from penstock.cli.output import OPTIONS, as_row, note, show

if TYPE_CHECKING:
    from penstock.billing.plan_changes import PlanChange
    from penstock.billing.versions import PlanVersion

CustomerArg = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Name, e-mail or id.")]


def register(group: typer.Typer) -> None:
    group.command("start")(subscription_start)
    group.command("end")(subscription_end)
    group.command("list")(subscription_list)


def subscription_start(customer: CustomerArg, plan: str, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Put a customer on a plan: at once if it had none this month, else from next month on."""
    from penstock.billing.plan_changes import preview_start
    from penstock.billing.subscriptions import subscribe
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        who = get_customer(tx, customer)
        change = preview_start(tx, who.id, plan)
    _say(change, who.name, house.workspace.company.timezone)
    if dry_run:
        _show_change(change, who.name)
        return
    if change.changes:
        confirmed("Start it?", yes=yes)
    with house.store.transaction() as tx:
        change = preview_start(tx, who.id, plan)
        made = subscribe(tx, who.id, plan)
    row = {"customer": who.name, "plan": plan, "version": made.plan.number, "since": made.started_at}
    show({**as_row(made), "change": change}, rows=[{**row, "holds_from": change.holds_from, "due": _due(change)}])


def subscription_end(customer: CustomerArg, dry_run: DryRun = False, yes: Yes = False) -> None:
    """End a customer's plan. The month it ends in is due in full, unless it began today and nothing was used since."""
    from penstock.billing.plan_changes import preview_end
    from penstock.billing.subscriptions import unsubscribe
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        who = get_customer(tx, customer)
        change = preview_end(tx, who.id)
    _say(change, who.name, house.workspace.company.timezone)
    if not dry_run:
        confirmed("End it?", yes=yes)
        with house.store.transaction() as tx:
            change = preview_end(tx, who.id)
            unsubscribe(tx, who.id)
    _show_change(change, who.name)


def subscription_list() -> None:
    """Every subscription, open and ended."""
    from penstock.billing.subscriptions import list_subscriptions
    from penstock.identity.customers import list_customers
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        names = {one.id: one.name for one in list_customers(tx)}
        rows = [
            {
                "customer": names[one.customer],
                "plan": one.plan.plan,
                "version": one.plan.number,
                "since": one.started_at,
                "until": one.ended_at,
            }
            for one in list_subscriptions(tx)
        ]
    show(rows, rows=rows)


def plan_words(change: PlanChange, name: str, timezone: str) -> list[str]:
    """What the change will do, in sentences for the operator."""
    from penstock.core.clock import period_at, zone_of

    zone = zone_of(timezone)
    day = f"{change.holds_from.astimezone(zone):%Y-%m-%d}"
    before, after = _version(change.before), _version(change.after)
    if not change.changes:
        return [f"{name} is on {after} already: nothing changes"]
    words = [f"{before} began today and nothing was used since: it costs nothing"] if change.cancelled else []
    at_once = not change.due or change.due[0].period == period_at(change.holds_from, timezone).name
    if change.after is not None and at_once:
        words.append(f"{name} gets {after} at once: its fee and included units hold for all of {change.due[0].period}")
    elif change.after is not None:
        words.append(f"{name} gets {after} from {day} on; until then {change.due[0].plan} and its included units hold")
    elif change.due:
        words.append(f"{name}'s {before} ends; its included units hold until {day}, then use is charged at full price")
    else:
        words.append(f"{name}'s {before} ends; use is charged at the products' prices")
    return [*words, f"due, net of tax: {_due(change)}"]


def _say(change: PlanChange, name: str, timezone: str) -> None:
    for sentence in plan_words(change, name, timezone):
        note(sentence)


def _show_change(change: PlanChange, name: str) -> None:
    row = {"customer": name, "plan": _version(change.before), "then": _version(change.after)}
    show(change, rows=[{**row, "holds_from": change.holds_from, "due": _due(change)}])


def _due(change: PlanChange) -> str:
    return ", ".join(f"{fee.amount} for {fee.period} ({fee.plan})" for fee in change.due) or "nothing"


def _version(plan: PlanVersion | None) -> str:
    return "no plan" if plan is None else f"{plan.plan} v{plan.number}"
