"""A customer as a whole: shown with all that belongs to it, edited, archived and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.asking import DryRun, Yes, confirmed
from penstock.cli.output import OPTIONS, as_row, counted, note, print_table, show
from penstock.cli.plans import CustomerArg, plan_words

if TYPE_CHECKING:
    from penstock.channels.reviews import Review
    from penstock.identity.customers import Customer
    from penstock.pipeline.customers import Archiving, Sheet


def register(group: typer.Typer) -> None:
    group.command("show")(customer_show)
    group.command("edit")(customer_edit)
    group.command("archive")(customer_archive)
    group.command("unarchive")(customer_unarchive)


def customer_show(customer: CustomerArg) -> None:
    """A customer with its terms, plan, keys, limits, credit, open invoices and partner."""
    from penstock.pipeline.customers import sheet
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        known = sheet(tx, customer)
    if OPTIONS.json:
        keys = [{k: v for k, v in as_row(key).items() if k != "secret_sha256"} for key in known.keys]
        show({**as_row(known.customer), **as_row(known), "customer": known.customer.id, "keys": keys})
        return
    print_table([{"field": name.replace("_", " "), "value": value} for name, value in _facts(known).items()])
    if known.open_invoices:
        print_table([as_row(one) for one in known.open_invoices], title="open invoices")


def customer_edit(
    customer: CustomerArg,
    name: Annotated[str | None, typer.Option()] = None,
    email: Annotated[str | None, typer.Option(help="Where invoices go.")] = None,
    locale: Annotated[str | None, typer.Option(help="en or zh-CN: the language of invoices.")] = None,
    address: Annotated[str | None, typer.Option(help='"" clears it.')] = None,
    tax_id: Annotated[str | None, typer.Option(help='"" clears it.')] = None,
    allow_similar: Annotated[
        bool, typer.Option("--allow-similar", help="Though it reads like one that exists, it is another one.")
    ] = False,
) -> None:
    """Change what is known of a customer. Issued invoices keep what they say."""
    from penstock.channels.reviews import review_of
    from penstock.core.errors import BadInput
    from penstock.pipeline.customers import edit
    from penstock.runtime.house import open_house

    asked = {"name": name, "email": email, "locale": locale, "address": address, "tax_id": tax_id}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise BadInput("nothing to change", hint="give at least one of --name --email --locale --address --tax-id")
    with open_house(OPTIONS.workspace).store.transaction() as tx:
        before, after = edit(tx, customer, changes, allow_similar=allow_similar)
        review = review_of(tx, after.id)
    rows = [
        {"field": field, "before": getattr(before, field), "after": getattr(after, field)}
        for field in changes
        if getattr(before, field) != getattr(after, field)
    ]
    if not rows:
        note(f"{after.name}: nothing changed")
    if review is not None and review.state == "held":
        note(held_words(after.name, review))
    if rows or OPTIONS.json:
        show({"id": after.id, "changes": rows}, rows=rows)


def customer_archive(
    customer: CustomerArg,
    force: Annotated[bool, typer.Option("--force", help="Although invoices are open or credit is left.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End a customer's keys and plan and hide it from lists. What it used is billed at the next closing."""
    from penstock.pipeline.customers import archive, preview_archive
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        said = preview_archive(tx, customer)
    for sentence in _archive_words(said, house.workspace.company.timezone):
        note(sentence)
    if not dry_run:
        if force or not said.unsettled:
            confirmed(f"Archive {said.customer.name}?", yes=yes)
        with house.store.transaction() as tx:
            said = archive(tx, said.customer.id, force=force)
    row = {"customer": said.customer.name, "archived": said.customer.archived_at, "keys_ended": said.keys}
    show(said, rows=[{**row, "stays_open": [str(one) for one in said.unsettled]}])


def customer_unarchive(customer: CustomerArg) -> None:
    """Let an archived customer buy again. Its keys stay revoked and its plan ended."""
    from penstock.pipeline.customers import unarchive
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        known = unarchive(tx, customer)
    show(known, rows=[_row(known)])
    note("its keys stay revoked and its plan ended: penstock key create, penstock subscription start")


def held_words(name: str, review: Review) -> str:
    """What is said when an attribution is held."""
    who = f"{name}'s attribution is held for review ({_signs(review)}): nothing it earns is paid out until then"
    return f"{who}\n  penstock attribution clear or reject"


def _signs(review: Review) -> str:
    return "; ".join(str(sign) for sign in review.signs)


def _archive_words(said: Archiving, timezone: str) -> list[str]:
    name = said.customer.name
    if said.customer.archived_at is not None:
        return [f"{name} is archived already"]
    words = [f"{name}: {counted(said.keys, 'key')} revoked; use until now is billed when its month is closed"]
    if said.plan is not None:
        words += plan_words(said.plan, name, timezone)
    return words + [f"stays open: {one}" for one in said.unsettled]


def _facts(known: Sheet) -> dict[str, Any]:
    from penstock.billing.taxes import percent

    who, plan = known.customer, known.plan
    facts = {field: getattr(who, field) for field in ("name", "id", "email", "locale", "address", "tax_id")}
    valid = [f"{key.name} ({key.id})" for key in known.keys if key.revoked_at is None]
    return {
        **facts,
        "training_consent": who.training_consent,
        "since": who.created_at,
        "archived": who.archived_at,
        "terms": known.terms,
        "tax": known.tax and f"{percent(known.tax.rate)} {known.tax.reason}".strip(),
        "plan": f"{plan.plan.plan} v{plan.plan.number}" if plan else None,
        "plan_since": plan.started_at if plan else None,
        "keys": valid,
        "limits": [f"{product}: {units:,} units a month" for product, units in known.limits.items()],
        "credit": known.credit,
        "open invoices": len(known.open_invoices),
        "brought_by": known.brought_by.name if known.brought_by else None,
        "attribution": f"{known.review.state}: {_signs(known.review)}" if known.review else None,
        "is_partner": [one.name for one in known.partners],
    }


def _row(known: Customer) -> dict[str, Any]:
    return {"name": known.name, "email": known.email, "archived": known.archived_at, "id": known.id}
