"""Statements: what a partner earned, gave back and was paid in a month. A reading of the ledger, in words.

Every line is a posting on the partner's account, joined with the commission or payout that made it, so the balances
are the ledger's. Amounts are from the partner's side: what is owed to it is positive.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from penstock.billing import ledger
from penstock.billing.catalogue import the_book
from penstock.channels.agreements import list_versions, share_text
from penstock.channels.commissions import Commission, list_commissions
from penstock.channels.partners import Partner
from penstock.channels.payouts import list_payouts, payable, under_review
from penstock.channels.reviews import list_reviews
from penstock.core.clock import Period, zone_of
from penstock.core.errors import Broken
from penstock.core.money import Money
from penstock.core.spreadsheets import BOM, inert
from penstock.identity.customers import list_customers
from penstock.storage.engine import Transaction

ACCOUNT = "partner_payable"
COLUMNS = ("date", "what", "customer", "invoice", "paid", "net", "share", "amount", "payable on", "state")

Kind = Literal["commission", "reversal", "payout", "adjustment"]


@dataclass(frozen=True)
class Line:
    """One movement. paid, net and share say how a commission came about.

    state: held (until payable_at), in review (until a person clears or rejects it), payable, or empty.
    """

    kind: Kind
    at: datetime
    customer: str
    invoice: str
    paid: Money | None
    net: Money | None
    share: Decimal | None
    amount: Money
    payable_at: datetime | None
    state: str
    memo: str


@dataclass(frozen=True)
class Statement:
    """A partner's month. closing == opening + the lines' amounts == the ledger's balance at the end of the month.

    payable: what could be paid out at `made_at`, whatever the month. in_review: what is owed but held for review then.
    timezone: the books', in which days begin.
    """

    partner: Partner
    period: Period
    timezone: str
    opening: Money
    lines: tuple[Line, ...]
    closing: Money
    payable: Money
    in_review: Money
    made_at: datetime

    @property
    def closed_at(self) -> datetime:
        """The moment the closing balance speaks of: the month's end, or now while it runs."""
        return min(self.period.end, max(self.made_at, *(line.at for line in self.lines), self.period.start))

    def total(self, *kinds: Kind) -> Money:
        """The sum of the lines of these kinds."""
        amount = sum(line.amount.amount_minor for line in self.lines if line.kind in kinds)
        return Money(amount, self.opening.currency)


def statement(tx: Transaction, partner: Partner, period: Period) -> Statement:
    """The partner's month, as far as it has gone. Raises Broken when ledger and commissions disagree."""
    book = the_book(tx)
    currency = book.currency
    account = [one for one in ledger.entries(tx, party=partner.id) if one.account == ACCOUNT]
    lines = [line for line in _lines(tx, partner, account, currency) if period.start <= line.at < period.end]
    opening = -sum(one.amount_minor for one in account if one.posted_at < period.start)
    closing = -sum(one.amount_minor for one in account if one.posted_at < period.end)
    if opening + sum(line.amount.amount_minor for line in lines) != closing:
        raise Broken("the lines do not lead from the opening to the closing balance", where=f"partner {partner.name}")
    return Statement(
        partner=partner,
        period=period,
        timezone=book.timezone,
        opening=Money(opening, currency),
        lines=tuple(lines),
        closing=Money(closing, currency),
        payable=payable(tx, partner.id),
        in_review=under_review(tx, partner.id),
        made_at=tx.now,
    )


def to_json(made: Statement) -> str:
    """The statement as a JSON document; amounts are decimal strings in `currency`."""
    return json.dumps(facts(made), ensure_ascii=False, indent=2)


def facts(made: Statement) -> dict[str, Any]:
    """The statement as JSON values."""
    return {
        "partner": {"id": made.partner.id, "name": made.partner.name, "code": made.partner.code},
        "period": made.period.name,
        "currency": made.opening.currency,
        "opening": _decimal(made.opening),
        "earned": _decimal(made.total("commission")),
        "reversed": _decimal(made.total("reversal")),
        "paid_out": _decimal(made.total("payout")),
        "adjusted": _decimal(made.total("adjustment")),
        "closing": _decimal(made.closing),
        "payable": _decimal(made.payable),
        "in_review": _decimal(made.in_review),
        "made_at": made.made_at.isoformat(),
        "lines": [_line_facts(line) for line in made.lines],
    }


def to_csv(made: Statement, *, bom: bool = True) -> str:
    """The statement as CSV with a header, amounts in major units; cells that a spreadsheet would run are quoted.

    bom: whether it begins with a byte-order mark, by which spreadsheets know it is UTF-8.
    """
    stream = io.StringIO(BOM if bom else "")
    stream.seek(0, io.SEEK_END)
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*COLUMNS, "currency"])
    for row in table(made):
        writer.writerow([*(_csv_cell(value) for value in row.values()), made.opening.currency])
    return stream.getvalue()


def table(made: Statement) -> list[dict[str, Any]]:
    """Rows for the command line: the opening balance, the lines, the closing balance."""
    zone = zone_of(made.timezone)
    return [
        _row(_day(made.period.start, zone), "opening balance", made.opening),
        *(_line_row(line, zone) for line in made.lines),
        _row(_day(made.closed_at, zone), "closing balance", made.closing),
    ]


def _lines(tx: Transaction, partner: Partner, account: Sequence[ledger.Posting], currency: str) -> list[Line]:
    commissions = {one.operation: one for one in list_commissions(tx, partner.id)}
    payouts = {one.ledger_operation for one in list_payouts(tx, partner.id)}
    words = _Words(
        {one.id: one.name for one in list_customers(tx)},
        {one.id: one.share for one in list_versions(tx)},
        frozenset(one.customer for one in list_reviews(tx, state="held", partner=partner.id)),
        tx.now,
    )
    _check(account, commissions)
    lines = [_commission_line(one, one.created_at, words) for one in commissions.values() if not one.amount_minor]
    for posting in account:
        amount = Money(-posting.amount_minor, currency)
        earned = commissions.get(posting.operation)
        if posting.currency != currency:
            raise Broken(f"a posting in {posting.currency}", where=f"operation {posting.operation}")
        if earned is not None:
            lines.append(_commission_line(earned, posting.posted_at, words))
        else:
            kind: Kind = "payout" if posting.operation in payouts else "adjustment"
            nothing = ("", "", None, None, None)
            lines.append(Line(kind, posting.posted_at, *nothing, amount, None, "", posting.memo))
    return sorted(lines, key=lambda line: line.at)


def _check(account: Sequence[ledger.Posting], commissions: Mapping[str, Commission]) -> None:
    booked = {one.operation: -one.amount_minor for one in account if one.operation in commissions}
    wrong = [one for one in commissions.values() if booked.get(one.operation, 0) != one.amount_minor]
    if wrong:
        raise Broken("ledger and commissions disagree", where=f"commission {wrong[0].id}")


@dataclass(frozen=True)
class _Words:
    customers: dict[str, str]
    shares: dict[str, Decimal]
    in_review: frozenset[str]
    now: datetime


def _commission_line(one: Commission, at: datetime, words: _Words) -> Line:
    back = one.paid_minor < 0
    waiting = "in review" if one.customer in words.in_review else "held" if one.payable_at > words.now else ""
    state = "" if back else waiting or "payable"
    return Line(
        kind="reversal" if back else "commission",
        at=at,
        customer=words.customers.get(one.customer, one.customer),
        invoice=one.invoice,
        paid=Money(one.paid_minor, one.currency),
        net=Money(one.net_minor, one.currency),
        share=words.shares[one.agreement_version],
        amount=Money(one.amount_minor, one.currency),
        payable_at=None if back else one.payable_at,
        state=state,
        memo="",
    )


def _line_facts(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "at": line.at.isoformat(),
        "customer": line.customer,
        "invoice": line.invoice,
        "paid": line.paid and _decimal(line.paid),
        "net": line.net and _decimal(line.net),
        "share": None if line.share is None else f"{line.share:f}",
        "amount": _decimal(line.amount),
        "payable_at": line.payable_at and line.payable_at.isoformat(),
        "state": line.state,
        "memo": line.memo,
    }


def _line_row(line: Line, zone: ZoneInfo) -> dict[str, Any]:
    values = (
        _day(line.at, zone),
        line.memo if line.kind == "adjustment" else line.kind,
        line.customer,
        line.invoice,
        line.paid or "",
        line.net or "",
        "" if line.share is None else share_text(line.share),
        line.amount,
        _day(line.payable_at, zone) if line.payable_at else "",
        line.state,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _row(day: str, what: str, amount: Money) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS, ""), "date": day, "what": what, "amount": amount}


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d}"


def _decimal(amount: Money) -> str:
    return f"{amount.to_decimal():f}"


def _csv_cell(value: Any) -> str:
    if isinstance(value, Money):
        return _decimal(value)
    return str(inert(str(value)))
