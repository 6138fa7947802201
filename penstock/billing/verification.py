"""Checks that the books hold, and puts a customer aside when its do not. It changes no posting; people do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from penstock.billing.records import Quarantine
from penstock.billing.tables import (
    credit_note,
    invoice,
    invoice_line,
    invoice_void,
    ledger_operation,
    payment,
    posting,
    rating_run,
    refund,
    same_invoice,
    standing,
)
from penstock.billing.tables import quarantine as quarantine_table
from penstock.core.errors import Broken, NotFound
from penstock.identity.customers import names_of
from penstock.storage import audit
from penstock.storage.engine import Store, Transaction
from penstock.storage.integrity import damages
from penstock.storage.schema import sequence
from penstock.storage.sql import insert_new

Customers = Sequence[str] | None
"""Whose books are looked at; None: all."""


@dataclass(frozen=True)
class Problem:
    """An invariant that does not hold: whose it is (None: the house's), what is wrong, one step that repairs it."""

    customer: str | None
    message: str
    repair: str

    def __str__(self) -> str:
        return f"{self.customer or 'the books'}: {self.message}\n  {self.repair}"


def verify_all(store: Store) -> list[Problem]:
    """What is damaged in the database itself; where it is whole, everything that does not hold in the books."""
    if damaged := damages(store.engine):
        return [Problem(None, f"the database is damaged: {line}", _RESTORE) for line in damaged]
    with store.read() as tx:
        return verify(tx)


_RESTORE = "stop Penstock, keep a copy of the files, restore the newest backup: docs/how-to/back-up.md"


def verify(tx: Transaction) -> list[Problem]:
    """Everything that does not hold, of all customers. Empty: the books are in order."""
    return [*_check(tx, None), *_asked_twice(tx), *_gaps(tx), *_audit_log(tx)]


def _audit_log(tx: Transaction) -> list[Problem]:
    """Who changed what is part of the books."""
    repair = "find out who can write to the database: penstock audit verify"
    return [Problem(None, f"the audit log: {one}", repair) for one in audit.verify(tx).problems]


def verify_customer(tx: Transaction, customer: str) -> list[Problem]:
    """What does not hold of one customer."""
    return _check(tx, [customer])


def broken_among(tx: Transaction, customers: Sequence[str]) -> dict[str, Problem]:
    """What does not hold first, by customer, of those whose books do not hold. Asked of all at once: they mostly do."""
    if not _check(tx, customers):
        return {}
    found = {customer: verify_customer(tx, customer) for customer in customers}
    return {customer: problems[0] for customer, problems in found.items() if problems}


def quarantine(tx: Transaction, customer: str, reason: str) -> Quarantine:
    """Put the customer aside: nothing is invoiced to it until it is released. The first reason stays."""
    insert_new(tx, quarantine_table, [{"customer": customer, "reason": reason, "since": tx.now}])
    return quarantined(tx, [customer])[0]


def quarantined(tx: Transaction, customers: Customers = None) -> list[Quarantine]:
    """Who is put aside and why: of all, or of these."""
    column = quarantine_table.c
    query = sa.select(quarantine_table).where(column.organisation == tx.organisation)
    if customers is not None:
        query = query.where(column.customer.in_(customers))
    rows = tx.all(query.order_by(column.customer))
    names = names_of(tx, [row["customer"] for row in rows])
    return [
        Quarantine(row["customer"], names.get(row["customer"], row["customer"]), row["reason"], row["since"])
        for row in rows
    ]


def release_from_quarantine(tx: Transaction, customer: str) -> Quarantine:
    """Let the customer be invoiced again; answers why it was not. Raises NotFound, or Broken while its books still do
    not hold."""
    aside = quarantined(tx, [customer])
    if not aside:
        raise NotFound(f"{customer} is not put aside", where="customer", hint="see `penstock bill aside`")
    problems = verify_customer(tx, customer)
    if problems:
        raise Broken(problems[0].message, where=customer, hint=problems[0].repair)
    column = quarantine_table.c
    tx.execute(sa.delete(quarantine_table).where(column.organisation == tx.organisation, column.customer == customer))
    return aside[0]


def _check(tx: Transaction, customers: Customers) -> list[Problem]:
    return [
        *_unbalanced(tx, customers),
        *_wrong_receivables(tx, customers),
        *_negative_credit(tx, customers),
        *_wrong_totals(tx, customers),
        *_unbooked(tx, customers),
        *_wrong_runs(tx, customers),
    ]


def _unbalanced(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    total = sa.func.sum(posting.c.amount_minor)
    query = (
        sa.select(
            posting.c.operation, posting.c.currency, total.label("total"), sa.func.max(posting.c.party).label("party")
        )
        .where(posting.c.organisation == tx.organisation)
        .group_by(posting.c.operation, posting.c.currency)
        .having(total != 0)
    )
    if customers is not None:
        theirs = sa.select(posting.c.operation).where(
            posting.c.organisation == tx.organisation, posting.c.party.in_(customers)
        )
        query = query.where(posting.c.operation.in_(theirs))
    for row in tx.all(query):
        yield Problem(
            row["party"],
            f"operation {row['operation']} sums to {int(row['total'])} minor units of {row['currency']}, not to zero",
            "post the missing side as a new operation that names this one in its memo",
        )


def _wrong_receivables(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    """The ledger's receivable of each customer against its invoices less their payments, credit notes and voids."""
    asked = _sums(tx, invoice, "total_minor", customers)
    paid = _sums(tx, payment, "amount_minor", customers)
    less = Counter(_sums(tx, credit_note, "reduced_minor", customers))
    less.update(_sums(tx, invoice_void, "total_minor", customers))
    booked = _balances(tx, "receivable", customers)
    for one in sorted(asked.keys() | paid.keys() | booked.keys()):
        expected = asked.get(one, 0) - paid.get(one, 0) - less[one]
        if expected != booked.get(one, 0):
            yield Problem(
                one,
                f"its invoices less payments, notes and voids leave {expected} minor units open, "
                f"the ledger {booked.get(one, 0)}",
                "find the operation that has no invoice or payment among its postings, and reverse it",
            )


def _negative_credit(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    for one, amount in sorted(_balances(tx, "customer_credit", customers).items()):
        if amount > 0:
            yield Problem(one, f"its credit is {-amount} minor units, below zero", "add the missing credit")


def _wrong_totals(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    theirs = sa.and_(invoice_line.c.organisation == invoice.c.organisation, invoice_line.c.invoice == invoice.c.number)
    lines = sa.select(sa.func.coalesce(sa.func.sum(invoice_line.c.amount_minor), 0)).where(theirs).scalar_subquery()
    query = sa.select(invoice.c.number, invoice.c.customer, invoice.c.net_minor, lines.label("lines")).where(
        *_of(tx, invoice, customers), lines != invoice.c.net_minor
    )
    for row in tx.all(query):
        yield Problem(
            row["customer"],
            f"the lines of invoice {row['number']} sum to {int(row['lines'])}, its net amount is {row['net_minor']}",
            "restore the invoice's lines from a backup",
        )


def _unbooked(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    """What was issued, paid and given back, against what its operation moved on the account that stands for it."""
    amounts = {"invoice": "total_minor", "payment": "amount_minor"}
    amounts |= {"credit_note": "reduced_minor", "invoice_void": "total_minor"}
    asked = ((invoice, "receivable", 1), (payment, "receivable", -1), (refund, "refunds", 1))
    for table, account, sign in (*asked, (credit_note, "receivable", -1), (invoice_void, "receivable", -1)):
        amount = amounts.get(table.name)
        due = table.c[amount] if amount else table.c.amount_minor - table.c.tax_minor
        one = (posting.c.organisation == table.c.organisation, posting.c.operation == table.c.operation)
        # the account is no condition: SQLite would read the account of all customers by its index
        of_account = sa.case((posting.c.account == account, posting.c.amount_minor), else_=0)
        moved = sa.select(sa.func.coalesce(sa.func.sum(of_account), 0)).where(*one).scalar_subquery()
        same = (
            ledger_operation.c.organisation == table.c.organisation,
            ledger_operation.c.operation == table.c.operation,
        )
        booked = sa.select(ledger_operation.c.operation).where(*same).scalar_subquery()
        query = sa.select(table.c.operation, table.c.customer, due.label("due"), moved.label("moved")).where(
            *_of(tx, table, customers), (moved != sign * due) | booked.is_(None)
        )
        for row in tx.all(query):
            yield Problem(
                row["customer"],
                f"{table.name} {row['operation']} is {row['due']} minor units, its postings move {int(row['moved'])}",
                f"post what is missing on {account} as a new operation",
            )


def _wrong_runs(tx: Transaction, customers: Customers) -> Iterable[Problem]:
    """What a charge's runs added up to, against what its newest run says in total."""
    column = rating_run.c
    wanted = (column.customer, column.product, column.period, column.delta_minor, column.amount_minor)
    query = sa.select(*wanted).where(*_of(tx, rating_run, customers)).order_by(column.cutoff_seq)
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    newest: dict[tuple[str, str, str], int] = {}
    for row in tx.all(query):
        charge = row["customer"], row["product"], row["period"]
        sums[charge] += row["delta_minor"]
        newest[charge] = row["amount_minor"]
    for charge, total in sums.items():
        if newest[charge] != total:
            yield Problem(
                charge[0],
                f"the rating runs of {charge[1]} in {charge[2]} add up to {total}, not to {newest[charge]}",
                "restore the rating runs from a backup",
            )


def _asked_twice(tx: Transaction) -> Iterable[Problem]:
    """A rating run stands on at most one invoice that is not void."""
    column = invoice_line.c
    query = (
        sa.select(invoice.c.customer, column.rating_run, sa.func.count(column.rating_run).label("count"))
        .join_from(invoice_line, invoice, same_invoice())
        .where(invoice.c.organisation == tx.organisation, standing(column.invoice))
        .group_by(invoice.c.customer, column.rating_run)
        .having(sa.func.count(column.rating_run) > 1)
    )
    for row in tx.all(query):
        yield Problem(
            row["customer"],
            f"rating run {row['rating_run']} is asked for by {row['count']} invoices",
            "void one of them, or credit it: penstock invoice void, penstock invoice credit-note",
        )


def _gaps(tx: Transaction) -> Iterable[Problem]:
    """Numbers of a year's invoices, and of its credit notes, run from 1 to the year's count without a gap."""
    for table, word in ((invoice, "invoice"), (credit_note, "credit note")):
        yield from _gaps_of(tx, table, word)


def _gaps_of(tx: Transaction, table: sa.Table, word: str) -> Iterable[Problem]:
    counted = {
        row["name"].removeprefix(f"{word} "): row["value"]
        for row in tx.all(sa.select(sequence).where(sequence.c.organisation == tx.organisation))
        if row["name"].startswith(f"{word} ")
    }
    numbers: dict[str, set[int]] = {year: set() for year in counted}
    for row in tx.all(sa.select(table.c.number).where(table.c.organisation == tx.organisation)):
        year, _, number = row["number"].removeprefix("CN-").partition("-")
        numbers.setdefault(year, set()).add(int(number))
    for year, found in sorted(numbers.items()):
        missing = sorted(set(range(1, max(counted.get(year, 0), *found, 0) + 1)) - found)
        if missing or len(found) != counted.get(year, 0):
            yield Problem(
                None,
                f"{word} numbers of {year} have gaps: {missing[:5]} of {counted.get(year, 0)}",
                f"restore the missing {word}s from a backup",
            )


def _sums(tx: Transaction, table: sa.Table, amount: str, customers: Customers) -> dict[str, int]:
    by = table.c.customer
    query = sa.select(by, sa.func.sum(table.c[amount]).label("amount")).where(*_of(tx, table, customers)).group_by(by)
    return {row["customer"]: int(row["amount"]) for row in tx.all(query)}


def _balances(tx: Transaction, account: str, customers: Customers) -> dict[str, int]:
    query = (
        sa.select(posting.c.party, sa.func.sum(posting.c.amount_minor).label("amount"))
        .where(posting.c.organisation == tx.organisation, posting.c.account == account)
        .group_by(posting.c.party)
    )
    if customers is not None:
        query = query.where(posting.c.party.in_(customers))
    return {row["party"]: int(row["amount"]) for row in tx.all(query)}


def _of(tx: Transaction, table: sa.Table, customers: Customers) -> list[sa.ColumnElement[bool]]:
    mine = [table.c.organisation == tx.organisation]
    return mine if customers is None else [*mine, table.c.customer.in_(customers)]
