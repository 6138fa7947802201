"""Undoing an invoice: void it while nothing is paid, or credit it by a numbered note."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.asking import Yes, confirmed
from penstock.cli.output import OPTIONS, note, show

Reason = Annotated[str, typer.Option(help="It stands in the books and on the document.")]
Operation = Annotated[str | None, typer.Option(help="Your own id: the same id counts once.")]


def invoice_void(number: str, reason: Reason, operation: Operation = None, yes: Yes = False) -> None:
    """Take back an invoice of which nothing is paid. It keeps its number; its month can be closed again."""
    from penstock.pipeline.money import void_invoice
    from penstock.runtime.house import open_house

    confirmed(f"Void invoice {number}?", yes=yes)
    made = void_invoice(open_house(OPTIONS.workspace), number, reason=reason, operation=operation)
    show(made)
    note("its use and its plan fee can be invoiced again: penstock bill close --period MONTH")


def invoice_credit_note(
    number: str,
    reason: Reason,
    amount: Annotated[str | None, typer.Option(help="Tax included. Default: all not yet given back.")] = None,
    line: Annotated[
        int | None, typer.Option(help="The line it is about. Default: all, by what each still bears.")
    ] = None,
    refund: Annotated[
        bool, typer.Option("--refund", help="What was paid goes back in cash, not to the customer's credit.")
    ] = False,
    operation: Operation = None,
) -> None:
    """Credit an invoice by a numbered note: it reduces what is open; what is more was paid, and goes back."""
    from penstock.billing.invoices import note_json
    from penstock.core.money import Money
    from penstock.pipeline.money import give_credit_note
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    made = give_credit_note(house, number, amount=amount, reason=reason, operation=operation, in_cash=refund, line=line)
    amounts = {
        "credited": made.total_minor,
        "of it tax": made.tax_minor,
        "off the open amount": made.reduced_minor,
        "given back": made.total_minor - made.reduced_minor,
    }
    row = {name: Money(minor, made.currency) for name, minor in amounts.items()}
    show(note_json(made), rows=[{"credit_note": made.number, "invoice": number, **row}])
    note(f"the document: penstock invoice pdf {made.number}")
