"""Money: usage, bills, invoices, payments, refunds, the ledger, statements and payouts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from penstock.cli import billing, undo
from penstock.cli.output import OPTIONS, note, print_table, show, shown_progress, text
from penstock.core.whole import EVERYBODYS, write_whole

if TYPE_CHECKING:
    from penstock.billing.records import Payment

Bom = Annotated[
    bool, typer.Option("--bom/--no-bom", help="Begin the CSV with a byte-order mark: spreadsheets need it for UTF-8.")
]
PeriodOption = Annotated[str | None, typer.Option("--period", help="A month, e.g. 2026-11 (default: this month).")]


def register(app: typer.Typer) -> None:
    usage = typer.Typer(help="What was used.", no_args_is_help=True)
    usage.command("export")(usage_export)
    signed = {"ignore_unknown_options": True}  # -100 is a quantity, not an option
    usage.command("correct", context_settings=signed)(usage_correct)
    bill = typer.Typer(help="Closing months.", no_args_is_help=True)
    bill.command("preview")(billing.bill_preview)
    bill.command("close")(bill_close)
    bill.command("aside")(bill_aside)
    bill.command("resume")(bill_resume)
    invoice = typer.Typer(help="Money asked and received.", no_args_is_help=True)
    invoice.command("list")(invoice_list)
    invoice.command("show")(invoice_show)
    invoice.command("pdf")(invoice_pdf)
    invoice.command("send")(billing.invoice_send)
    invoice.command("events")(invoice_events)
    invoice.command("payments")(invoice_payments)
    invoice.command("pay")(invoice_pay)
    invoice.command("refund")(invoice_refund)
    invoice.command("cancel-payment")(invoice_cancel_payment)
    invoice.command("void")(undo.invoice_void)
    invoice.command("credit-note")(undo.invoice_credit_note)
    ledger = typer.Typer(help="The double-entry books.", no_args_is_help=True)
    ledger.command("verify")(ledger_verify)
    ledger.command("balances")(ledger_balances)
    for name, group in {"usage": usage, "bill": bill, "invoice": invoice, "ledger": ledger}.items():
        app.add_typer(group, name=name)
    app.command()(statement)
    app.command()(payout)
    app.command()(billing.rehearse)


def usage_export(
    period: PeriodOption = None,
    file: Annotated[Path | None, typer.Option(help="Write CSV here.")] = None,
    bom: Bom = True,
) -> None:
    """Every usage event of a month as CSV; with --json, one object a line."""
    import io
    import sys
    from contextlib import nullcontext

    from penstock.metering.exports import export, write
    from penstock.pipeline.money import month
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    if file is None and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # a redirected stdout has the machine's old code page on Windows
    target = file.open("w", newline="", encoding="utf-8") if file else nullcontext(sys.stdout)
    seen = file is None and sys.stdout.isatty()  # a terminal needs no mark
    with house.store.read() as tx, target as stream:
        form: Literal["csv", "json"] = "json" if OPTIONS.json else "csv"
        count = write(export(tx, month(house, period)), stream, form, bom=bom and not seen)
    note(f"{count:,} events")


def usage_correct(
    customer: str,
    product: str,
    units: Annotated[int, typer.Argument(help="Signed: -100 takes a hundred units off.")],
    reason: Annotated[str, typer.Option()],
    operation: Annotated[str, typer.Option(help="Your own id: the same id counts once.")],
    period: Annotated[str | None, typer.Option("--period", help="The month it is about (default: this month).")] = None,
) -> None:
    """Correct a customer's quantity; the next rating run bills the difference."""
    from penstock.pipeline.money import correct_use
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    correct_use(house, customer, product, units, period=period, reason=reason, operation=operation)
    note(f"{customer}: {units:+,} units of {product} ({reason})")


def bill_close(
    period: Annotated[str, typer.Option("--period", help="The month to close, e.g. 2026-11.")],
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Close the months before it too that were never closed, in order.")
    ] = False,
) -> None:
    """Rate a month's use and issue its invoices. Closing again changes nothing."""
    from penstock.pipeline.money import close_month, invoice_rows
    from penstock.pipeline.runner import open_workflows
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with (
        shown_progress() as progress,
        open_workflows(house, executor="cli-close", progress=progress) as workflows,
    ):
        closed = close_month(workflows, period, catch_up=catch_up)
    with house.store.read() as tx:
        rows = [row for name in closed["months"] for row in invoice_rows(tx, name)]
    months, aside = ", ".join(closed["months"]), closed["quarantined"]
    if not rows and not aside:
        note(f"{months}: nothing was used and no plan was running, so there is nothing to invoice")
    if rows or OPTIONS.json:
        show(
            {"months": closed["months"], "invoices": rows, "quarantined": aside},
            rows=rows,
            title=f"invoices of {months}",
        )
    for one in aside:
        _note_aside(one["name"], one["customer"], one["reason"], closed["months"])
    if aside:
        raise typer.Exit(1)


def _note_aside(name: str, customer: str, reason: str, months: list[str]) -> None:
    again = "; ".join(f"penstock bill close --period {month}" for month in months)
    note(f"put aside, not invoiced: {name} ({customer}): {reason}")
    note(f"  look:      penstock customer show {customer}; penstock ledger verify; penstock bill aside")
    note(f"  then bill: penstock bill resume {customer}; {again}")


def bill_aside() -> None:
    """The customers put aside because they could not be invoiced, and why."""
    from penstock.billing.verification import quarantined
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        show(quarantined(tx))


def bill_resume(customer: str) -> None:
    """Bill a customer again that was put aside, once what was wrong is mended."""
    from penstock.pipeline.money import resume
    from penstock.runtime.house import open_house

    aside, months = resume(open_house(OPTIONS.workspace), customer)
    show(
        {"customer": aside.customer, "name": aside.name, "was": aside.reason, "close": months},
        rows=[{"customer": aside.name, "id": aside.customer, "close": ", ".join(months)}],
    )
    for month in months:
        note(f"bill it now: penstock bill close --period {month}")


def invoice_list() -> None:
    """Every invoice."""
    from penstock.pipeline.money import invoice_rows
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        rows = invoice_rows(tx)
    show(rows, rows=rows)


def invoice_show(number: str) -> None:
    """One invoice with its lines."""
    from penstock.billing.invoices import get_invoice, to_json
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        facts = to_json(get_invoice(tx, number))
    if OPTIONS.json:
        show(facts)
        return
    head = {k: v for k, v in facts.items() if not isinstance(v, list | dict)}
    times = {k: datetime.fromisoformat(head[k]) for k in ("issued_at", "due_at")}  # shown in the company's zone
    print_table([{**head, "customer": facts["buyer"]["name"], **times}])
    hidden = ("period", "tiers", "events")
    print_table([{k: v for k, v in line.items() if k not in hidden} for line in facts["lines"]])
    if facts["credit_notes"]:
        notes = [{k: v for k, v in one.items() if k not in ("operation", "currency")} for one in facts["credit_notes"]]
        print_table(notes, title="credit notes")
    if facts["void"]:
        note(f"void since {facts['void']['voided_at'][:10]}: {facts['void']['reason']}")
    note(f"the proof of a usage line: penstock invoice events {number} LINE")


def invoice_pdf(number: str, file: Annotated[Path | None, typer.Argument()] = None) -> None:
    """Write an invoice or a credit note as PDF (default: NUMBER.pdf)."""
    from penstock.pipeline.money import invoice_pdf as pdf
    from penstock.runtime.house import open_house

    content = pdf(open_house(OPTIONS.workspace), number)
    target = file or Path(f"{number}.pdf")
    write_whole(target, content, mode=EVERYBODYS)
    note(f"wrote {target} ({len(content):,} bytes)")


def invoice_events(
    number: str,
    line: int,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 1000,
) -> None:
    """The usage events behind one invoice line: the proof of its quantity."""
    from penstock.billing.invoices import line_events
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = list(line_events(tx, number, line, limit=limit))
    rows = [
        {"seq": e.seq, "time": e.time, "request": e.id, "key": e.key, "release": e.release, "units": e.units}
        for e in found
    ]
    show(found, rows=rows)


def invoice_payments(number: str) -> None:
    """The payments and refunds of one invoice, with the operation ids they were recorded under."""
    from penstock.billing.payments import list_payments, list_refunds
    from penstock.billing.register import get_invoice
    from penstock.core.money import Money
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        get_invoice(tx, number)
        paid, back = list_payments(tx, number), list_refunds(tx, number)
    rows = [
        {"operation": p.operation, "what": p.method, "amount": Money(p.amount_minor, p.currency), "at": p.paid_at}
        for p in paid
    ] + [
        {"operation": r.operation, "what": r.reason, "amount": Money(-r.amount_minor, r.currency), "at": r.refunded_at}
        for r in back
    ]
    show({"payments": paid, "refunds": back}, rows=rows)


def invoice_pay(
    number: str,
    amount: Annotated[str | None, typer.Option(help="Default: all that is open.")] = None,
    operation: Annotated[
        str | None, typer.Option(help="Your own id (a bank reference): the same id counts once.")
    ] = None,
    method: Annotated[str, typer.Option()] = "bank transfer",
    keep_rest_as_credit: Annotated[
        bool, typer.Option("--keep-rest-as-credit", help="Keep what is more than the open amount as credit.")
    ] = False,
    from_credit: Annotated[bool, typer.Option("--from-credit", help="Take it from the customer's credit.")] = False,
) -> None:
    """Record a payment received, or take credit for it; and the commission it earns a partner."""
    from penstock.pipeline.money import take_payment
    from penstock.runtime.house import open_house

    made = take_payment(
        open_house(OPTIONS.workspace),
        number,
        amount=amount,
        operation=operation,
        method=method,
        keep_rest=keep_rest_as_credit,
        from_credit=from_credit,
    )
    kept = {"kept_as_credit": made.kept} if made.kept.amount_minor else {}
    show(made.facts, rows=[{**_payment_row(made.payment), **kept}])


def invoice_refund(
    number: str,
    amount: Annotated[str, typer.Option()],
    reason: Annotated[str, typer.Option()],
    line: Annotated[
        int | None, typer.Option(help="The line it is about. Default: all, by what each still bears.")
    ] = None,
    operation: Annotated[str | None, typer.Option(help="Your own id: the same id counts once.")] = None,
) -> None:
    """Record money given back, and take back the commission on it."""
    from penstock.core.money import Money
    from penstock.pipeline.money import give_refund
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    made = give_refund(house, number, amount=amount, operation=operation, reason=reason, line=line)
    row = {"invoice": made.invoice, "refunded": Money(made.amount_minor, made.currency)}
    to_credit = Money(made.to_credit_minor, made.currency)
    show(made, rows=[{**row, "of_it_to_credit": to_credit, "reason": made.reason, "operation": made.operation}])


def invoice_cancel_payment(
    payment_operation: Annotated[str, typer.Argument(help="The operation id the payment was recorded under.")],
    operation: Annotated[str | None, typer.Option(help="Your own id: the same id counts once.")] = None,
) -> None:
    """Take back a payment that was recorded but did not arrive; its commission goes with it."""
    from penstock.pipeline.money import take_back_payment
    from penstock.runtime.house import open_house

    made = take_back_payment(open_house(OPTIONS.workspace), payment_operation, operation=operation)
    show(made, rows=[_payment_row(made)])


def _payment_row(made: Payment) -> dict[str, Any]:
    from penstock.core.money import Money

    paid = Money(made.amount_minor, made.currency)
    return {"invoice": made.invoice, "paid": paid, "method": made.method, "operation": made.operation}


def ledger_verify() -> None:
    """Check the database itself and every invariant of the books. Exits 1 when one does not hold."""
    from penstock.billing.verification import verify_all
    from penstock.runtime.house import open_house

    problems = verify_all(open_house(OPTIONS.workspace).store)
    show(
        {"problems": problems}, rows=[{"problem": str(p)} for p in problems] or [{"ledger": "sound: every sum is zero"}]
    )
    if problems:
        raise typer.Exit(1)


def ledger_balances() -> None:
    """The balance of every account: debit positive, credit negative."""
    from penstock.billing.ledger import balances
    from penstock.core.money import Money
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.read() as tx:
        found = balances(tx)
    rows = [{"account": one.account, "debit": Money(one.amount_minor, one.currency)} for one in found]
    show(found, rows=rows)


def statement(
    partner: str,
    period: PeriodOption = None,
    csv: Annotated[Path | None, typer.Option(help="Write the lines as CSV here.")] = None,
    bom: Bom = True,
) -> None:
    """What a partner earned in a month, line by line."""
    from penstock.channels import statements
    from penstock.channels.partners import get_partner
    from penstock.pipeline.money import month
    from penstock.runtime.house import open_house

    house = open_house(OPTIONS.workspace)
    with house.store.read() as tx:
        made = statements.statement(tx, get_partner(tx, partner), month(house, period))
    if csv is not None:
        write_whole(csv, statements.to_csv(made, bom=bom).encode(), mode=EVERYBODYS)
        note(f"wrote {csv}")
    if OPTIONS.json:
        text(statements.to_json(made))
        return
    print_table(statements.table(made))


def payout(partner: str, operation: Annotated[str | None, typer.Option()] = None) -> None:
    """Record the payment of all that is payable to a partner now."""
    from penstock.channels.partners import get_partner
    from penstock.channels.payouts import payout as pay_out
    from penstock.core.money import Money
    from penstock.runtime.house import open_house

    with open_house(OPTIONS.workspace).store.transaction() as tx:
        who = get_partner(tx, partner)
        made = pay_out(tx, who, operation or tx.new_id("op"))
    paid = Money(made.amount_minor, made.currency)
    row = {"partner": who.name, "paid": paid, "operation": made.operation, "at": made.paid_at, "id": made.id}
    show({**vars(made), "partner_name": who.name, "amount": paid}, rows=[row])
