"""Looking at a month before it is closed, mailing its invoices, and playing it ahead in a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.output import OPTIONS, note, show
from penstock.core.errors import BadInput
from penstock.core.whole import EVERYBODYS, write_whole


def bill_preview(
    period: Annotated[str | None, typer.Option("--period", help="A month, e.g. 2026-11 (default: this month).")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this one: name, e-mail or id.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write the customer's invoice here, marked as a draft.")] = None,
) -> None:
    """What closing a month now would ask of each customer. Nothing is issued."""
    from penstock.billing.records import Invoice
    from penstock.pipeline.money import draft_pdf, preview_facts, preview_month, preview_rows
    from penstock.runtime.house import open_house

    if pdf is not None and customer is None:
        raise BadInput("a PDF is of one customer's invoice", where="--pdf", hint="add --customer NAME")
    house = open_house(OPTIONS.workspace)
    found = list(preview_month(house, period, customer))
    show(preview_facts(found), rows=preview_rows(found), title="a preview: nothing is issued")
    for one in found:
        if pdf is not None and isinstance(one, Invoice):
            write_whole(pdf, draft_pdf(house, one), mode=EVERYBODYS)
            note(f"wrote {pdf}")


def invoice_send(
    number: Annotated[str | None, typer.Argument(help="The invoice; leave it out with --period.")] = None,
    to: Annotated[str | None, typer.Option(help="Another address than the customer's.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also if it was sent before.")] = False,
    period: Annotated[str | None, typer.Option("--period", help="All of this month that were not sent yet.")] = None,
) -> None:
    """Mail an invoice with its PDF, or all of a month, through the server under [mail]."""
    from penstock.pipeline.invoice_mail import send_invoice, send_month
    from penstock.runtime.house import open_house
    from penstock.runtime.progress import console_progress

    house = open_house(OPTIONS.workspace)
    if (number is None) == (period is None):
        raise BadInput("one invoice or a month", where="NUMBER", hint="penstock invoice send NUMBER, or --period MONTH")
    if number is not None:
        show(send_invoice(house, number, to=to, again=again))
        return
    with console_progress() as progress:
        mailing = send_month(house, str(period), progress)
    show(list(mailing.sent))
    for refused, why in mailing.failed.items():
        note(f"not sent: {refused}: {why}")
    if mailing.failed:
        raise typer.Exit(1)


def rehearse(
    folder: Annotated[Path, typer.Argument(help="Where to make the copy; or a copy, to set its clock anew.")],
    at: Annotated[str, typer.Option("--at", help="The time there, e.g. 2026-12-01 or 2026-12-01T09:30.")],
) -> None:
    """Copy the workspace and set the copy's clock, so that a month can be closed there before it ends here."""
    from penstock.pipeline.rehearsal import rehearse as copy
    from penstock.workspace.loader import load

    moment = copy(load(OPTIONS.workspace), folder, at)
    show({"folder": str(folder), "now": moment})
    note(f"a copy whose clock runs from there; nothing in it is mailed or posted: cd {folder}")
