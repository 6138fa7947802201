"""What was already given back of an invoice, by whichever command: it bounds what can be given back again.

Three commands give back: a credit note, a refund, and a correction of usage whose next invoice has a negative line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing import tables
from penstock.billing.rating import RatingRun, charged_minor, read_run
from penstock.billing.records import Invoice, Line
from penstock.billing.shares import LineShare, borne, less, read_shares, take
from penstock.core.clock import Period
from penstock.core.errors import Conflict, NotFound
from penstock.core.money import Money
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Given:
    """One thing that gave `amount_minor` (tax included) of an invoice back, and the command that did it."""

    what: str
    amount_minor: int
    at: datetime
    command: str


def given_back(tx: Transaction, invoice: Invoice) -> tuple[Given, ...]:
    """All that was given back of the invoice, corrections that no invoice has as a line yet included."""
    notes = [
        Given(f"credit note {one.number}", one.total_minor, one.issued_at, "penstock invoice credit-note")
        for one in invoice.notes
    ]
    by_notes = {one.refund for one in invoice.notes}
    column = tables.refund.c
    query = sa.select(tables.refund).where(column.organisation == tx.organisation, column.invoice == invoice.number)
    refunds = [
        Given("a refund", row["amount_minor"], row["refunded_at"], "penstock invoice refund")
        for row in tx.all(query.order_by(column.refunded_at, column.id))
        if row["id"] not in by_notes
    ]
    return (*notes, *refunds, *_corrections(tx, invoice))


def shares_left(tx: Transaction, invoice: Invoice) -> tuple[LineShare, ...]:
    """What each line of the invoice still bears: less credit notes, refunds and corrections of its use."""
    left, whole = _without_corrections(tx, invoice), {one.line: one for one in borne(invoice)}
    taken = [
        LineShare(line.number, line.tax_rate, net, _with_tax(whole[line.number], net) - net)
        for line, net, _ in _corrected(tx, invoice)
        if line.number in whole
    ]
    return less(left, taken)


def most_of(invoice: Invoice, given: tuple[Given, ...], left: tuple[LineShare, ...], line: int | None) -> Money:
    """The most that can be given back of the invoice, or of one line. Raises NotFound for a line it has not."""
    if line is not None and line not in {one.number for one in invoice.lines}:
        hint = f"it has {len(invoice.lines)} lines"
        raise NotFound(f"invoice {invoice.number} has no line {line}", where="line", hint=hint)
    bears = sum(max(0, one.gross_minor) for one in left if line in (None, one.line))
    return min(left_to_give(invoice, given), Money(bears, invoice.currency))


def of_line(left: tuple[LineShare, ...], line: int | None) -> tuple[LineShare, ...]:
    """The shares of this line; of all of them (None)."""
    return tuple(one for one in left if line in (None, one.line))


def _without_corrections(tx: Transaction, invoice: Invoice) -> tuple[LineShare, ...]:
    """What the lines bear less what credit notes and refunds took, in the order in which they did."""
    column = tables.refund.c
    query = sa.select(tables.refund).where(column.organisation == tx.organisation, column.invoice == invoice.number)
    by_notes = {one.refund for one in invoice.notes}
    taken = [(one.issued_at, one.total_minor, one.shares) for one in invoice.notes]
    taken += [
        (row["refunded_at"], row["amount_minor"], read_shares(row["shares"]))
        for row in tx.all(query)
        if row["id"] not in by_notes
    ]
    left = borne(invoice)
    for _, amount, shares in sorted(taken, key=lambda one: one[0]):
        left = less(left, take(left, amount) if shares is None else shares)
    return left


def left_to_give(invoice: Invoice, given: tuple[Given, ...]) -> Money:
    """How much of the invoice's total was not given back yet. Below zero: too much was."""
    total = 0 if invoice.void else max(0, invoice.total_minor)
    return Money(total - sum(one.amount_minor for one in given), invoice.currency)


def refuse_twice(invoice: Invoice, given: tuple[Given, ...], asked: Money, most: Money) -> None:
    """Raise Conflict when more is asked back than `most`, naming what was given back before, when and how."""
    if asked <= most:
        return
    if invoice.void:
        raise Conflict("it is void: nothing of it is asked for", where=f"invoice {invoice.number}")
    before, most = said(invoice, given), max(most, Money(0, invoice.currency))
    problem = f"{asked} is more than the {most} of it that can still be given back"
    if most.amount_minor == 0:
        problem = "nothing of it is left to be given back"
    raise Conflict(
        problem + (f": {before}" if before else ""),
        where=f"invoice {invoice.number}",
        hint="what is wrong is given back once: see `penstock invoice payments`" if given else None,
    )


def refuse_overcorrected(tx: Transaction, invoice: Invoice, product: str, period: str) -> None:
    """Raise Conflict when a correction of a product-month gives back more than its lines here still bear."""
    given, kept = given_back(tx, invoice), {one.line: one for one in _without_corrections(tx, invoice)}
    whole = {one.line: one for one in borne(invoice)}
    for line, net, _ in _corrected(tx, invoice):
        one = whole.get(line.number)
        if one is None or (line.product, line.period.name) != (product, period):
            continue
        full, gone = _with_tax(one, line.amount_minor), one.gross_minor - kept[line.number].gross_minor
        if gone + _with_tax(one, net) > full:
            raise Conflict(
                f"more than the {Money(full, invoice.currency)} of its line {line.number}, {product} in {period}, "
                f"would be given back: {said(invoice, given)}",
                where=f"invoice {invoice.number}",
                hint="correct fewer units: what is wrong is given back once",
            )


def said(invoice: Invoice, given: tuple[Given, ...]) -> str:
    """Each thing in words: what, how much, when, by which command."""
    return "; ".join(
        f"{one.what} gave back {Money(one.amount_minor, invoice.currency)} on {one.at:%Y-%m-%d} (`{one.command}`)"
        for one in given
    )


def _corrections(tx: Transaction, invoice: Invoice) -> Iterator[Given]:
    whole = {one.line: one for one in borne(invoice)}
    for line, net, at in _corrected(tx, invoice):
        amount = _with_tax(whole[line.number], net) if line.number in whole else net
        yield Given(f"a correction of {line.product} in {line.period.name}", amount, at, "penstock usage correct")


def _corrected(tx: Transaction, invoice: Invoice) -> Iterator[tuple[Line, int, datetime]]:
    """Each line that corrections took something off, how much of its net, and when."""
    for line in invoice.lines:
        if line.product is not None and line.amount_minor > 0:
            net, at = _taken_of(tx, invoice, line)
            if net:
                yield line, net, at


def _with_tax(one: LineShare, net_minor: int) -> int:
    """A part of a line's net with the tax on it."""
    return net_minor + (one.tax_minor * net_minor // one.net_minor if one.net_minor else 0)


def _taken_of(tx: Transaction, invoice: Invoice, line: Line) -> tuple[int, datetime]:
    """What later runs of the line's charge, and use not rated yet, took off this line; and when.

    A run that stands on the same invoice (one issued anew after a void) is in its total already: it gives nothing back.
    """
    runs = _runs(tx, invoice.customer, line.product or "", line.period)
    own = {each.rating_run for each in invoice.lines}
    standing: list[tuple[str, int]] = []  # what each run asked for and no later one took off; the newest loses first
    taken, at = 0, invoice.issued_at
    present = charged_minor(tx, invoice.customer, line.product or "", line.period)
    changes = [(run.id, run.delta_minor, run.rated_at) for run in runs]
    booked = runs[-1].amount_minor if runs else 0
    for id, delta, moment in [*changes, ("", min(0, present - booked), tx.now)]:
        if delta >= 0:
            standing.append((id, delta))
            continue
        rest = -delta
        while rest and standing:
            last, amount = standing.pop()
            part = min(rest, amount)
            rest -= part
            if amount > part:
                standing.append((last, amount - part))
            if last == line.rating_run and id not in own:
                taken, at = taken + part, moment
    return taken, at


def _runs(tx: Transaction, customer: str, product: str, period: Period) -> list[RatingRun]:
    column = tables.rating_run.c
    query = sa.select(tables.rating_run).where(
        column.organisation == tx.organisation,
        column.customer == customer,
        column.product == product,
        column.period == period.name,
    )
    return [read_run(row) for row in tx.all(query.order_by(column.cutoff_seq))]
