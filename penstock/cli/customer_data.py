"""A customer's data: all of it in a file, and erased but for what has to be kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, print_table, show, shown_progress
from penstock.cli.plans import CustomerArg

if TYPE_CHECKING:
    from penstock.pipeline.privacy.customer_erasure import Erasure


def register(group: typer.Typer) -> None:
    group.command("export")(customer_export)
    group.command("erase")(customer_erase)


def customer_export(
    customer: CustomerArg,
    to: Annotated[Path, typer.Option(help="The new file, a ZIP; readable by its owner only.")],
) -> None:
    """Write all that belongs to a customer into one file: JSON lines, invoices as PDF, and README.json that names each
    file and field."""
    from penstock.pipeline.privacy.customer_export import export_customer
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with shown_progress() as progress:
        made = export_customer(house, customer, to, progress)
    show(made)


def customer_erase(
    customer: CustomerArg,
    reason: Annotated[str, typer.Option(help="Why, for the record: the customer asked, on which day.")] = "",
    keep_years: Annotated[int, typer.Option(min=0, max=100, help="Calendar years that the law keeps books for.")] = 10,
    leave_credit: Annotated[
        bool, typer.Option("--leave-credit", help="Although credit is left: it stays in the books.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Erase; without it, say what would go and what stays.")
    ] = False,
) -> None:
    """Erase a customer's answers, words and name; invoices and books stay, and a record says what was kept and why."""
    from penstock.pipeline.privacy.customer_erasure import erase, preview_erasure
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    if yes:
        with shown_progress() as progress:
            said = erase(
                house, customer, reason=reason, keep_years=keep_years, leave_credit=leave_credit, progress=progress
            )
    else:
        said = preview_erasure(house, customer, keep_years=keep_years, leave_credit=leave_credit)
    if OPTIONS.json:
        show(said)
    else:
        _print(said)
    if said.state != "finished":
        waits = f"first: {', '.join(said.waits_for)}" if said.waits_for else "to do it: --yes"
        note(f"nothing was erased; {waits}" if said.state == "preview" else "it was begun, and goes on with --yes")


def _print(said: Erasure) -> None:
    from penstock.pipeline.privacy.customer_erasure import ERASED

    print_table(
        [{"goes": name.replace("_", " "), "rows": rows, "which": ERASED[name]} for name, rows in said.erased.items()]
    )
    kept: list[dict[str, Any]] = [
        {"stays": one.what.replace("_", " "), "rows": one.rows, "until": one.until, "why": one.why} for one in said.kept
    ]
    print_table(kept)
    if said.learned:
        print_table([vars(one) for one in said.learned], title="models that learned from it")
        note(said.advice)
