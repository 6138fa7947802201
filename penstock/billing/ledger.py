"""Double entry, append-only: operations whose postings sum to zero per currency. Balances are sums, never stored.

Amounts are minor units, debit positive and credit negative. It knows accounts and parties (a customer or partner id),
not why money moves. A mistake is never edited: `reverse` books the opposite.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.billing.tables import ledger_operation, posting
from penstock.billing.verification import Problem as Problem
from penstock.billing.verification import verify as verify
from penstock.core.errors import Broken, Conflict, NotFound
from penstock.core.hashing import digest_of
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new

ACCOUNTS = {
    "cash": "money received",
    "customer_credit": "paid in advance by customers, not yet used",
    "receivable": "invoiced to customers, not yet paid",
    "earnings": "earned by invoices, net of tax",
    "tax_payable": "tax invoiced, owed to the state",
    "refunds": "given back to customers, net of tax",
    "commission_expense": "earned by partners",
    "partner_payable": "owed to partners",
    "partner_clawback": "paid to partners and to be taken back",
    "deferred": "invoiced, not yet earned",
    "breakage": "credit that expired unused",
    "developer_payable": "owed to developers of products sold here",
    "platform_fee": "kept from developers' sales",
}

Entry = tuple[str, int, str, str | None]
"""(account, signed amount in minor units, currency, customer or partner id or None)"""


@dataclass(frozen=True)
class Posting:
    """One side of an operation. amount_minor: debit positive, credit negative."""

    operation: str
    number: int
    account: str
    party: str | None
    amount_minor: int
    currency: str
    memo: str
    reference: str | None
    posted_at: datetime


@dataclass(frozen=True)
class Balance:
    """The sum of an account (and of one party in it, unless `party` is None) in one currency."""

    account: str
    party: str | None
    currency: str
    amount_minor: int


def post(
    tx: Transaction,
    operation: str,
    entries: Iterable[Entry],
    memo: str,
    *,
    reference: str | None = None,
    reverses: str | None = None,
) -> bool:
    """Book an operation; answers whether it is new. Entries of zero are left out.

    The same operation with the same entries again changes nothing; with others it is a Conflict. reference: the
    invoice it belongs to. Raises Broken when the entries do not sum to zero in each currency.
    """
    kept = sorted((entry for entry in entries if entry[1] != 0), key=lambda entry: (entry[0], entry[3] or "", entry[1]))
    _check(operation, kept)
    digest = digest_of([reference, reverses, [list(entry) for entry in kept]])
    row = {
        "operation": operation,
        "digest": digest,
        "memo": memo,
        "reference": reference,
        "reverses": reverses,
        "posted_at": tx.now,
    }
    if not insert_new(tx, ledger_operation, [row]):
        _check_replay(tx, operation, digest, reverses)
        return False
    rows = [
        {
            "organisation": tx.organisation,
            "operation": operation,
            "number": number,
            "account": account,
            "party": party,
            "amount_minor": amount_minor,
            "currency": currency,
        }
        for number, (account, amount_minor, currency, party) in enumerate(kept, start=1)
    ]
    if rows:
        tx.execute(sa.insert(posting), rows)
    return True


def reverse(tx: Transaction, operation: str, new_operation: str, memo: str) -> bool:
    """Book the opposite of `operation`, once. Raises NotFound, and Conflict when it was reversed by another."""
    booked = entries(tx, operation=operation)
    if not booked and not exists(tx, operation):
        raise NotFound(f"no operation {operation!r} in the ledger", where="operation")
    opposite = [(one.account, -one.amount_minor, one.currency, one.party) for one in booked]
    reference = booked[0].reference if booked else None
    return post(tx, new_operation, opposite, memo, reference=reference, reverses=operation)


def exists(tx: Transaction, operation: str) -> bool:
    """Whether the operation is booked."""
    one = ledger_operation.c
    query = sa.select(one.operation).where(one.organisation == tx.organisation, one.operation == operation)
    return tx.first(query) is not None


def is_reversed(tx: Transaction, operation: str) -> bool:
    """Whether another operation booked the opposite of this one."""
    one = ledger_operation.c
    query = sa.select(one.operation).where(one.organisation == tx.organisation, one.reverses == operation)
    return tx.first(query) is not None


def balance(tx: Transaction, account: str, party: str | None = None) -> dict[str, int]:
    """The account's sum per currency, debit positive; of one party if it is given. Empty: nothing was booked.

    Of a debt such as partner_payable a negative sum is what is owed.
    """
    query = (
        sa.select(posting.c.currency, sa.func.sum(posting.c.amount_minor).label("amount"))
        .where(posting.c.organisation == tx.organisation, posting.c.account == account)
        .group_by(posting.c.currency)
    )
    if party is not None:
        query = query.where(posting.c.party == party)
    return {row["currency"]: int(row["amount"]) for row in tx.all(query)}


def balances(tx: Transaction, *, by_party: bool = False) -> list[Balance]:
    """Every account's balance, in the order of ACCOUNTS; split by customer or partner on demand."""
    columns = [posting.c.account, posting.c.currency] + ([posting.c.party] if by_party else [])
    query = (
        sa.select(*columns, sa.func.sum(posting.c.amount_minor).label("amount"))
        .where(posting.c.organisation == tx.organisation)
        .group_by(*columns)
    )
    found = [
        Balance(row["account"], row["party"] if by_party else None, row["currency"], int(row["amount"]))
        for row in tx.all(query)
    ]
    order = {account: place for place, account in enumerate(ACCOUNTS)}
    return sorted(found, key=lambda one: (order[one.account], one.currency, one.party or ""))


def entries(
    tx: Transaction, *, operation: str | None = None, party: str | None = None, reference: str | None = None
) -> list[Posting]:
    """Postings in the order they were booked: of an operation, a party, an invoice, or all of these at once."""
    both = sa.and_(
        posting.c.organisation == ledger_operation.c.organisation, posting.c.operation == ledger_operation.c.operation
    )
    about = ledger_operation.c
    query = (
        sa.select(posting, about.memo, about.reference, about.posted_at)
        .join_from(posting, ledger_operation, both)
        .where(posting.c.organisation == tx.organisation)
    )
    for column, value in ((posting.c.operation, operation), (posting.c.party, party), (about.reference, reference)):
        if value is not None:
            query = query.where(column == value)
    rows = tx.all(query.order_by(about.posted_at, posting.c.operation, posting.c.number))
    return [Posting(**{name: row[name] for name in Posting.__dataclass_fields__}) for row in rows]


def _check(operation: str, kept: Sequence[Entry]) -> None:
    sums: dict[str, int] = defaultdict(int)
    for account, amount_minor, currency, _ in kept:
        if account not in ACCOUNTS:
            raise Broken(f"the ledger has no account {account!r}", where=operation, hint=f"use {', '.join(ACCOUNTS)}")
        sums[currency] += amount_minor
    for currency, total in sums.items():
        if total:
            raise Broken(f"the postings sum to {total} minor units of {currency}, not to zero", where=operation)


def _check_replay(tx: Transaction, operation: str, digest: str, reverses: str | None) -> None:
    one = ledger_operation.c
    row = tx.first(sa.select(ledger_operation).where(one.organisation == tx.organisation, one.operation == operation))
    if row is None:  # the insert met another unique key: the operation to reverse
        raise Conflict(f"{reverses!r} was reversed before", where=operation)
    if row["digest"] != digest:
        raise Conflict(
            f"operation {operation!r} was booked before with other amounts",
            where=operation,
            hint="use a new operation id for a new booking",
        )
