"""Payouts: what is payable to a partner, and the record that it was paid. Knows no bank."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing import ledger
from penstock.billing.catalogue import the_book
from penstock.channels.commissions import LOCK, list_commissions
from penstock.channels.partners import Partner
from penstock.channels.reviews import list_reviews
from penstock.channels.tables import payout as payout_table
from penstock.core.errors import BadInput, Conflict
from penstock.core.money import Money
from penstock.storage import counters
from penstock.storage.engine import Transaction


@dataclass(frozen=True)
class Payout:
    """Money paid to a partner, once per operation."""

    id: str
    partner: str
    operation: str
    currency: str
    amount_minor: int
    paid_at: datetime

    @property
    def ledger_operation(self) -> str:
        return f"payout:{self.operation}"


def payout(tx: Transaction, partner: Partner, operation: str) -> Payout:
    """Record that all that is payable to the partner now was paid. The same operation again changes nothing.

    Raises Conflict when nothing is payable, or when the operation paid another partner.
    """
    if not operation.strip():
        raise BadInput("a payout needs an operation id", where="operation", hint="e.g. the bank's reference")
    counters.take(tx, LOCK, 0)  # two payouts at once would both pay the same commissions
    before = _by_operation(tx, operation)
    if before is not None:
        if before.partner != partner.id:
            raise Conflict(f"operation {operation!r} paid another partner", where="operation", hint="use a new id")
        return before
    amount = payable(tx, partner.id)
    if amount.amount_minor <= 0:
        raise Conflict(f"nothing is payable to {partner.name} now", where="payout", hint=_why(tx, partner, amount))
    made = Payout(tx.new_id("out"), partner.id, operation, amount.currency, amount.amount_minor, tx.now)
    tx.execute(sa.insert(payout_table), {**vars(made), "organisation": tx.organisation})
    entries = [
        ("partner_payable", made.amount_minor, made.currency, partner.id),
        ("cash", -made.amount_minor, made.currency, partner.id),
    ]
    ledger.post(tx, made.ledger_operation, entries, f"payout to {partner.name}")
    return made


def owed(tx: Transaction, partner_id: str) -> Money:
    """What the ledger owes the partner: held and payable. Negative after a refund of what was paid out."""
    currency = the_book(tx).currency
    return Money(-ledger.balance(tx, "partner_payable", partner_id).get(currency, 0), currency)


def payable(tx: Transaction, partner_id: str) -> Money:
    """The part of what is owed whose hold days are over. A refund takes from what is held of its invoice first.

    What is held for review is not payable, nor is it missing from what other customers earned.
    """
    in_review = {one.customer for one in list_reviews(tx, state="held", partner=partner_id)}
    ripe: dict[str, int] = defaultdict(int)
    whole: dict[str, int] = defaultdict(int)
    for one in list_commissions(tx, partner_id):
        if one.customer in in_review:
            continue
        whole[one.invoice] += one.amount_minor
        if one.source_kind == "payment" and one.payable_at <= tx.now:
            ripe[one.invoice] += one.amount_minor
    paid_out = sum(one.amount_minor for one in list_payouts(tx, partner_id))
    balance = owed(tx, partner_id)
    due = sum(min(ripe[number], amount) for number, amount in whole.items()) - paid_out
    return Money(min(due, balance.amount_minor), balance.currency)


def under_review(tx: Transaction, partner_id: str) -> Money:
    """What customers whose attribution is held for review earned the partner: owed, but not payable."""
    in_review = {one.customer for one in list_reviews(tx, state="held", partner=partner_id)}
    earned = sum(one.amount_minor for one in list_commissions(tx, partner_id) if one.customer in in_review)
    return Money(earned, the_book(tx).currency)


@dataclass(frozen=True)
class Outlook:
    """What a partner may expect. held: commissions whose hold days run. next_at: when the first of them is
    payable. movements: every moment at which something was earned, taken back or paid out, oldest first."""

    held: Money
    next_at: datetime | None
    movements: tuple[datetime, ...]


def outlook(tx: Transaction, partner_id: str) -> Outlook:
    """Why what is payable is what it is, and what comes next."""
    commissions, payouts = list_commissions(tx, partner_id), list_payouts(tx, partner_id)
    in_review = {one.customer for one in list_reviews(tx, state="held", partner=partner_id)}
    waiting = [one for one in commissions if one.amount_minor > 0 and one.customer not in in_review]
    ripens = [one.payable_at for one in waiting if one.payable_at > tx.now]
    balance = owed(tx, partner_id)
    held = (balance - payable(tx, partner_id) - under_review(tx, partner_id)).amount_minor
    moments = sorted([one.created_at for one in commissions] + [one.paid_at for one in payouts])
    return Outlook(Money(max(0, held), balance.currency), min(ripens, default=None), tuple(moments))


def list_payouts(tx: Transaction, partner_id: str | None = None) -> list[Payout]:
    """All payouts, or a partner's (id), oldest first."""
    query = sa.select(payout_table).where(payout_table.c.organisation == tx.organisation)
    if partner_id is not None:
        query = query.where(payout_table.c.partner == partner_id)
    return [_payout(row) for row in tx.all(query.order_by(payout_table.c.paid_at, payout_table.c.id))]


def _why(tx: Transaction, partner: Partner, amount: Money) -> str | None:
    reviewed = under_review(tx, partner.id)
    held = Money(owed(tx, partner.id).amount_minor - amount.amount_minor, amount.currency) - reviewed
    said = [
        f"{held} is held until its hold days are over" if held.amount_minor > 0 else "",
        f"{reviewed} is held for review: penstock attribution list" if reviewed.amount_minor > 0 else "",
    ]
    return "; ".join(filter(None, said)) or None


def _by_operation(tx: Transaction, operation: str) -> Payout | None:
    row = tx.first(
        sa.select(payout_table).where(
            payout_table.c.organisation == tx.organisation, payout_table.c.operation == operation
        )
    )
    return None if row is None else _payout(row)


def _payout(row: sa.RowMapping) -> Payout:
    return Payout(**{name: row[name] for name in Payout.__dataclass_fields__})
