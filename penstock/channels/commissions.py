"""Commissions: a partner's share of what its customers paid, net of tax and refunds. Knows no bank.

The share is taken of the running sum that a customer paid since it was attributed, and rounded once there: whatever
the order and size of payments and refunds, what was earned in total is the rounded share of the net paid, never
below zero, and each payment's commission is the difference it made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.billing import ledger
from penstock.billing.tables import invoice, payment, refund
from penstock.channels.agreements import get_version
from penstock.channels.reviews import Review, decide
from penstock.channels.tables import attribution, attribution_review, commission
from penstock.core.errors import Broken
from penstock.core.hashing import digest_of
from penstock.core.money import round_half_away
from penstock.storage import counters
from penstock.storage.engine import Transaction

LOCK = "commission"  # the sequence that numbers commissions; payouts take its lock too


@dataclass(frozen=True)
class Commission:
    """What one payment earned a partner, or one refund took back (amounts negative). Minor units of `currency`.

    paid_minor: what the customer paid; net_minor: without tax, as far as it counts; amount_minor: the commission.
    """

    id: str
    number: int
    partner: str
    customer: str
    agreement_version: str
    source_kind: str
    source: str
    invoice: str
    currency: str
    paid_minor: int
    net_minor: int
    amount_minor: int
    earned_at: datetime
    payable_at: datetime
    created_at: datetime

    @property
    def operation(self) -> str:
        """Its operation id in the ledger."""
        return f"commission:{self.id}"


def settle(tx: Transaction, customers: Sequence[str] | None = None) -> list[Commission]:
    """Book the commission of every payment and refund of attributed customers that has none yet, oldest first.

    customers: of these only (None: of all, which reads every payment there is).

    Payments with credit count when an invoice takes them. What was paid before the attribution earns nothing, nor does
    what a customer pays whose attribution was rejected; of one held for review it is booked, but not payable.
    Doing it again changes nothing.
    """
    counters.take(tx, LOCK, 0)  # one at a time: the next one sees what this one booked
    return [_book(tx, event) for event in _unsettled(tx, customers)]


def reject(tx: Transaction, customer: str, reason: str) -> Review:
    """Say that a held attribution is not honest: its commissions are taken back, and it earns no more.

    Raises as reviews.decide does. Doing it again changes nothing.
    """
    said = decide(tx, customer, "rejected", reason)
    counters.take(tx, LOCK, 0)
    for booked in _by_invoice(tx, said.customer):
        _take_back(tx, booked, said)
    return said


def list_commissions(tx: Transaction, partner: str | None = None) -> list[Commission]:
    """All commissions, or a partner's (id), in the order they were booked."""
    query = sa.select(commission).where(commission.c.organisation == tx.organisation)
    if partner is not None:
        query = query.where(commission.c.partner == partner)
    return [_commission(row) for row in tx.all(query.order_by(commission.c.number))]


def earned_minor(share: Decimal, net_minor: int) -> int:
    """The commission on what a customer paid net in all: rounded once, half away from zero, never negative."""
    return int(round_half_away(share * max(0, net_minor)))


def _book(tx: Transaction, event: sa.RowMapping) -> Commission:
    version = get_version(tx, event["agreement_version"])
    own = (commission.c.organisation == tx.organisation, commission.c.customer == event["customer"])
    net_before, booked = _sums(tx, *own)
    if booked != earned_minor(version.share, net_before):
        raise Broken("the commissions booked are not the share of what was paid", where=f"customer {event['customer']}")
    net = _net_that_counts(tx, event, own)
    made = Commission(
        id=_id(tx, event),
        number=counters.take(tx, LOCK),
        partner=event["partner"],
        customer=event["customer"],
        agreement_version=version.id,
        source_kind=event["source_kind"],
        source=event["source"],
        invoice=event["invoice"],
        currency=event["currency"],
        paid_minor=event["paid_minor"],
        net_minor=net,
        amount_minor=earned_minor(version.share, net_before + net) - booked,
        earned_at=event["at"],
        payable_at=_payable_at(tx, event, version.hold_days),
        created_at=tx.now,
    )
    _keep(tx, made, f"commission on {made.source_kind} of {made.invoice}")
    return made


def _by_invoice(tx: Transaction, customer: str) -> list[sa.RowMapping]:
    """Of each invoice of the customer, the sums of its commissions that are not zero."""
    column = commission.c
    facts = (column.invoice, column.partner, column.agreement_version, column.currency)
    sums = [sa.func.sum(column[name]).label(name) for name in ("paid_minor", "net_minor", "amount_minor")]
    query = (
        sa.select(*facts, *sums)
        .where(column.organisation == tx.organisation, column.customer == customer)
        .group_by(*facts)
        .having((sa.func.sum(column.net_minor) != 0) | (sa.func.sum(column.amount_minor) != 0))
    )
    return list(tx.all(query.order_by(column.invoice)))


def _take_back(tx: Transaction, booked: sa.RowMapping, said: Review) -> None:
    """Book the opposite of an invoice's commissions."""
    source = f"rejected {said.customer} {booked['invoice']}"
    kind = "refund" if booked["amount_minor"] >= 0 else "payment"  # an invoice below zero took commission back
    event = {"agreement_version": booked["agreement_version"], "source_kind": kind, "source": source}
    made = Commission(
        id=_id(tx, {**event, "partner": booked["partner"]}),
        number=counters.take(tx, LOCK),
        partner=booked["partner"],
        customer=said.customer,
        agreement_version=booked["agreement_version"],
        source_kind=kind,
        source=source,
        invoice=booked["invoice"],
        currency=booked["currency"],
        paid_minor=-int(booked["paid_minor"]),
        net_minor=-int(booked["net_minor"]),
        amount_minor=-int(booked["amount_minor"]),
        earned_at=tx.now,
        payable_at=tx.now,
        created_at=tx.now,
    )
    _keep(tx, made, f"commission on {made.invoice} rejected: {said.decision}")


def _keep(tx: Transaction, made: Commission, memo: str) -> None:
    tx.execute(sa.insert(commission), {**vars(made), "organisation": tx.organisation})
    if made.amount_minor:
        amount, currency, partner = made.amount_minor, made.currency, made.partner
        entries = [
            ("commission_expense", amount, currency, partner),
            ("partner_payable", -amount, currency, partner),
        ]
        ledger.post(tx, made.operation, entries, memo, reference=made.invoice)


def _payable_at(tx: Transaction, event: sa.RowMapping, hold_days: int) -> datetime:
    """After the hold days; a payment taken back has the day of that payment, so that the two cancel out throughout."""
    at: datetime = event["at"]
    if event["paid_minor"] > 0:
        return at + timedelta(days=hold_days)
    if event["source_kind"] != "payment":
        return at
    taken_back = sa.select(commission.c.payable_at).where(
        commission.c.organisation == tx.organisation,
        commission.c.source_kind == "payment",
        commission.c.invoice == event["invoice"],
        commission.c.paid_minor == -event["paid_minor"],
    )
    found: datetime | None = tx.scalar(taken_back.order_by(commission.c.number.desc()).limit(1))
    return found or at


def _net_that_counts(tx: Transaction, event: sa.RowMapping, own: tuple[sa.ColumnElement[bool], ...]) -> int:
    """Net of the event; money taken back counts at most as far as it was counted when it was paid.

    So the refund of a payment made before the attribution takes nothing back. An invoice below zero (a correction
    of earlier use) counts in full: it returns what other invoices asked.
    """
    net: int = event["net_minor"]
    if net >= 0 or event["total_minor"] < 0:
        return net
    of_invoice = (*own, commission.c.invoice == event["invoice"])
    counted, _ = _sums(tx, *of_invoice)
    paid = tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(commission.c.paid_minor), 0)).where(*of_invoice))
    if (
        int(paid) + event["paid_minor"] == 0
    ):  # all goes back: the tax in a payment and in its refund may be rounded apart
        return -max(0, counted)
    return max(net, -max(0, counted))


def _sums(tx: Transaction, *which: sa.ColumnElement[bool]) -> tuple[int, int]:
    """(net_minor, amount_minor) summed over commissions."""
    row = tx.first(
        sa.select(
            sa.func.coalesce(sa.func.sum(commission.c.net_minor), 0).label("net"),
            sa.func.coalesce(sa.func.sum(commission.c.amount_minor), 0).label("amount"),
        ).where(*which)
    )
    return (0, 0) if row is None else (int(row["net"]), int(row["amount"]))


def _unsettled(tx: Transaction, customers: Sequence[str] | None) -> list[sa.RowMapping]:
    # one query over billing's tables: asking billing for every payment would read all of history each time
    paid = _events(tx, payment, "payment", payment.c.paid_at, sign=1)
    returned = _events(tx, refund, "refund", refund.c.refunded_at, sign=-1)
    if customers is not None:
        paid = paid.where(payment.c.customer.in_(customers))
        returned = returned.where(refund.c.customer.in_(customers))
    both = sa.union_all(paid, returned).subquery()
    return list(tx.all(sa.select(both).order_by(both.c.at, both.c.source_kind, both.c.source)))


def _events(tx: Transaction, table: sa.Table, kind: str, at: sa.ColumnElement[Any], *, sign: int) -> sa.Select[Any]:
    done = sa.exists().where(
        commission.c.organisation == tx.organisation,
        commission.c.source_kind == kind,
        commission.c.source == table.c.id,
    )
    review = attribution_review.c
    rejected = sa.exists().where(
        review.organisation == tx.organisation, review.customer == table.c.customer, review.state == "rejected"
    )
    brought = (attribution.c.organisation == table.c.organisation) & (attribution.c.customer == table.c.customer)
    billed = (invoice.c.organisation == table.c.organisation) & (invoice.c.number == table.c.invoice)
    return (
        sa.select(
            sa.literal(kind).label("source_kind"),
            table.c.id.label("source"),
            table.c.invoice,
            table.c.customer,
            table.c.currency,
            (sign * table.c.amount_minor).label("paid_minor"),
            (sign * (table.c.amount_minor - table.c.tax_minor)).label("net_minor"),
            invoice.c.total_minor,
            at.label("at"),
            attribution.c.partner,
            attribution.c.agreement_version,
        )
        .select_from(table.join(attribution, brought).join(invoice, billed))
        .where(table.c.organisation == tx.organisation, at >= attribution.c.attributed_at, ~done, ~rejected)
    )


def _id(tx: Transaction, event: Mapping[Any, Any]) -> str:
    # made of what it is for, so the ledger too would refuse a second one
    parts = [tx.organisation, event["agreement_version"], event["source_kind"], event["source"], event["partner"]]
    return f"com_{digest_of(parts)[:26]}"


def _commission(row: sa.RowMapping) -> Commission:
    return Commission(**{name: row[name] for name in Commission.__dataclass_fields__})
