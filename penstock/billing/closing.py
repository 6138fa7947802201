"""Closes a period: one invoice per customer, each issued once, several to a transaction.

An invoice has the plan's fee, the period's usage and what arrived late for earlier periods. Usage that arrives after
an invoice is left to the next one. A customer whose books do not hold is put aside and reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from penstock.billing import ledger, verification
from penstock.billing.credits import credit_balances
from penstock.billing.lines import lines_of
from penstock.billing.months import refuse_unfinished
from penstock.billing.payments import record_payment
from penstock.billing.rating import rate_all, with_voided_use
from penstock.billing.records import Invoice, Line, Quarantine
from penstock.billing.register import invoice_row, invoices_of, line_row
from penstock.billing.subscriptions import subscribers
from penstock.billing.tables import invoice, invoice_line, rating_run
from penstock.billing.taxes import InForce, rates_of, tax_by_rate
from penstock.billing.terms import lock_customers
from penstock.billing.versions import the_book
from penstock.core.clock import Period, period_at
from penstock.core.errors import Broken, PenstockError, Unavailable
from penstock.identity.customers import Customer, get_customers
from penstock.metering import usage_log
from penstock.metering.quantities import late_spans, users
from penstock.metering.tables import usage_event
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company

Transactions = Callable[[], AbstractContextManager[Transaction]]
"""`store.transaction`: opens a unit of work."""

Outcomes = Mapping[str, Invoice | Quarantine]
"""What became of each customer."""

Then = Callable[[Transaction, Sequence[str]], object]
"""What else is done for these customers with their invoices."""

PAGE_CUSTOMERS = 25  # in one transaction: about 0.1 s on SQLite, where others wait for it
NOBODY_S = (Unavailable, MemoryError, OSError)  # failures that are not one customer's: the closing stops


@dataclass(frozen=True)
class Closing:
    """A closed period: its invoices by number, and the customers that were put aside."""

    invoices: tuple[Invoice, ...]
    quarantined: tuple[Quarantine, ...]


@dataclass(frozen=True)
class Draft:
    """What an invoice is made of."""

    # the invoice's number
    number: str
    # names the issuing: one operation makes one invoice
    operation: str
    # who pays
    buyer: Customer
    # the month that is closed
    period: Period
    # of tax in that month, for an invoice without lines
    rate: InForce
    # each with the rate of tax of its own period
    lines: tuple[tuple[Line, InForce], ...]
    # of all amounts
    currency: str
    # what the customer paid in advance and has left
    credit_minor: int


def close_period(transaction: Transactions, period: Period, company: Company) -> Closing:
    """Issue the invoices of `period` that are not issued yet; answers all of them, old and new.

    Raises Conflict while the period has not ended.
    """
    with transaction() as tx:
        customers = customers_to_invoice(tx, period)  # in any order of months: `months` tells which wait
    results: list[Invoice | Quarantine] = []
    for page in pages(customers):
        with transaction() as tx:
            results += close_customers(tx, page, period, company)
    invoices = sorted((one for one in results if isinstance(one, Invoice)), key=lambda one: one.number)
    return Closing(tuple(invoices), tuple(one for one in results if isinstance(one, Quarantine)))


def pages(customers: Sequence[str]) -> list[Sequence[str]]:
    """The customers in pieces for one transaction each, so that SQLite's one writer is held for a moment only."""
    return [customers[start : start + PAGE_CUSTOMERS] for start in range(0, len(customers), PAGE_CUSTOMERS)]


def customers_to_invoice(tx: Transaction, period: Period) -> list[str]:
    """Ids of the customers with usage, late usage, a plan or an invoice in the period. Conflict if it has not ended."""
    refuse_unfinished(tx, period)
    return customers_so_far(tx, period)


def customers_so_far(tx: Transaction, period: Period) -> list[str]:
    """The same for a month that may be running."""
    column = invoice.c
    issued = tx.all(
        sa.select(column.customer).where(column.organisation == tx.organisation, column.period == period.name)
    )
    found = users(tx, period) | {row["customer"] for row in issued}
    return sorted(found | subscribers(tx, period) | _with_late_use(tx, period) | with_voided_use(tx, period))


def close_customers(
    tx: Transaction, customers: Sequence[str], period: Period, company: Company, then: Then = lambda tx, customers: None
) -> list[Invoice | Quarantine]:
    """For each customer its invoice; or its quarantine, kept in the database, when it cannot be invoiced.

    then: what else belongs to an invoice, done with it or not at all. Raises Conflict while the period has not ended,
    and what is nobody's fault: a database that is gone or full.
    """
    refuse_unfinished(tx, period)
    return close_so_far(tx, customers, period, company, then)


def close_so_far(
    tx: Transaction, customers: Sequence[str], period: Period, company: Company, then: Then = lambda tx, customers: None
) -> list[Invoice | Quarantine]:
    """The same for a month that may be running: only for a transaction that is rolled back."""
    lock_customers(tx, customers)
    made = _one_by_one_if_need_be(tx, customers, lambda some: _close(tx, some, period, company, then))
    return [made[customer] for customer in customers]


def invoice_customer(tx: Transaction, customer: str, period: Period, company: Company) -> Invoice:
    """Issue the customer's invoice of `period`, or answer the one that was issued.

    Raises Conflict while the period has not ended, Broken when the customer is in quarantine or its books do not
    hold, and NotFound for usage without a price.
    """
    refuse_unfinished(tx, period)
    lock_customers(tx, [customer])
    for issued in invoices_of(tx, [customer], period):
        return issued
    if aside := _aside(tx, [customer]):
        raise Broken(aside[customer].reason, where=customer)
    return _invoice(tx, [customer], period, company)[customer]


def _one_by_one_if_need_be(
    tx: Transaction, customers: Sequence[str], close: Callable[[Sequence[str]], Outcomes]
) -> Outcomes:
    """All at once; if that fails, in halves, down to the customer that it fails for. That one is put aside."""
    if not customers:
        return {}
    try:
        with tx.savepoint():
            return close(customers)
    except NOBODY_S:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it must not keep the others from being billed
        if len(customers) == 1:
            return {customers[0]: verification.quarantine(tx, customers[0], _cause(error))}
    middle = len(customers) // 2
    halves = (_one_by_one_if_need_be(tx, some, close) for some in (customers[:middle], customers[middle:]))
    return {customer: outcome for half in halves for customer, outcome in half.items()}


def _close(tx: Transaction, customers: Sequence[str], period: Period, company: Company, then: Then) -> Outcomes:
    issued = {one.customer: one for one in invoices_of(tx, customers, period)}
    aside = _aside(tx, [customer for customer in customers if customer not in issued])
    sound = [customer for customer in customers if customer not in aside]
    made = _invoice(tx, [customer for customer in sound if customer not in issued], period, company)
    then(tx, sound)
    return {**aside, **issued, **made}


def _aside(tx: Transaction, customers: Sequence[str]) -> dict[str, Quarantine]:
    """By customer, those that are in quarantine, or come there now because their books do not hold."""
    aside = {one.customer: one for one in verification.quarantined(tx, customers)}
    others = [customer for customer in customers if customer not in aside]
    for customer, problem in verification.broken_among(tx, others).items():
        aside[customer] = verification.quarantine(tx, customer, f"{problem.message}\n  {problem.repair}")
    return aside


def _cause(error: Exception) -> str:
    if isinstance(error, PenstockError):
        return str(error)
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else 'no more is known'}"


def _invoice(tx: Transaction, customers: Sequence[str], period: Period, company: Company) -> dict[str, Invoice]:
    """Issue the invoices of customers that have none of the period. The customers are locked."""
    if not customers:
        return {}
    cutoff_seq = usage_log.watermark(tx)
    _rate_all(tx, customers, period, cutoff_seq, company.timezone)
    rates = rates_of(tx, customers)
    lines = lines_of(tx, customers, period, rates)
    buyers = get_customers(tx, customers)
    numbers = _next_numbers(tx, company.timezone, len(customers))
    operations = _operations(tx, customers, period)
    currency, credits = the_book(tx).currency, credit_balances(tx, customers)
    made = {}
    for number, customer in zip(numbers, customers, strict=True):
        draft = Draft(
            number=number,
            operation=operations[customer],
            buyer=buyers[customer],
            period=period,
            rate=rates.of(customer, period.start),
            lines=lines[customer],
            currency=currency,
            credit_minor=credits[customer],
        )
        made[customer] = _issue(tx, draft, company, cutoff_seq)
    return made


def _with_late_use(tx: Transaction, period: Period) -> set[str]:
    """Customers with events of earlier periods that no rating run counted.

    The last closing's cut-offs cannot tell: an event may have come after its customers were listed and before its
    first invoice was issued. What came before the closing that preceded it was there when it listed them.
    """
    column, event, run = invoice.c, usage_event.c, rating_run.c
    mine = column.organisation == tx.organisation
    before_last = sa.select(sa.func.max(column.period_end)).where(mine, column.period_end < period.start)
    seen = sa.select(sa.func.coalesce(sa.func.min(column.cutoff_seq), 0)).where(
        mine, column.period_end == before_last.scalar_subquery()
    )
    counted = sa.exists().where(
        run.organisation == event.organisation,
        run.customer == event.customer,
        run.product == event.product,
        run.period_start <= event.time,
        run.period_end > event.time,
        run.cutoff_seq >= event.seq,
    )
    late = sa.select(event.customer).where(
        event.organisation == tx.organisation,
        event.time < period.start,
        event.seq > int(tx.scalar(seen)),
        ~counted,
    )
    return {row["customer"] for row in tx.all(late.distinct())}


def _operations(tx: Transaction, customers: Sequence[str], period: Period) -> dict[str, str]:
    """The invoices' operation ids: one a period, and one more for each that was voided. So none is issued twice."""
    column = invoice.c
    mine = (column.organisation == tx.organisation, column.customer.in_(customers), column.period == period.name)
    query = sa.select(column.customer, sa.func.count().label("count")).where(*mine).group_by(column.customer)
    before = {row["customer"]: int(row["count"]) for row in tx.all(query)}
    return {one: f"invoice/{period.name}/{one}" + (f"/{before[one] + 1}" if one in before else "") for one in customers}


def _rate_all(tx: Transaction, customers: Sequence[str], period: Period, cutoff_seq: int, timezone: str) -> None:
    """Rate the period, and each earlier one that got events since the last invoice that covered it."""
    rate_all(tx, customers, period, up_to_seq=cutoff_seq)
    late: dict[Period, set[str]] = defaultdict(set)
    for seen, theirs in _by_last_cutoff(tx, customers, period).items():
        for span in late_spans(tx, customers=theirs, before=period.start, after_seq=seen):
            month = period_at(span.first, timezone)
            while month.start <= span.last:
                late[month].add(span.customer)
                month = period_at(month.end, timezone)
    for month, found in late.items():
        rate_all(tx, sorted(found), month, up_to_seq=cutoff_seq)


def _by_last_cutoff(tx: Transaction, customers: Sequence[str], period: Period) -> dict[int, list[str]]:
    """The customers by the last event that an invoice of this period or a later one has counted (0: none has).

    Those that were closed together share it, so there are few.
    """
    column = invoice.c
    # not a condition: it would make the invoices of all customers be read
    counted = sa.func.max(sa.case((column.period_end >= period.start, column.cutoff_seq)))
    query = sa.select(column.customer, counted.label("seq")).where(
        column.organisation == tx.organisation, column.customer.in_(customers)
    )
    seen = {row["customer"]: int(row["seq"] or 0) for row in tx.all(query.group_by(column.customer))}
    found: dict[int, list[str]] = defaultdict(list)
    for customer in customers:
        found[seen.get(customer, 0)].append(customer)
    return found


def _issue(tx: Transaction, draft: Draft, company: Company, cutoff_seq: int) -> Invoice:
    """The invoice as `register.get_invoice` would read it now."""
    lines = tuple(line for line, _ in draft.lines)
    taxes = tax_by_rate([(line.amount_minor, one) for line, one in draft.lines] or [(0, draft.rate)])
    net, tax = sum(one.net_minor for one in taxes), sum(one.tax_minor for one in taxes)
    seller, buyer = _parties(draft.buyer, company)
    issued = Invoice(
        number=draft.number,
        operation=draft.operation,
        customer=draft.buyer.id,
        period=draft.period,
        currency=draft.currency,
        lines=lines,
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        # an invoice below zero gives its amount to the credit
        credit_minor=min(net + tax, max(0, draft.credit_minor)),
        open_minor=net + tax,
        refunded_minor=0,
        seller=seller,
        buyer=buyer,
        taxes=taxes,
        issued_at=tx.now,
        due_at=tx.now + timedelta(days=company.payment_days),
    )
    tx.execute(sa.insert(invoice), invoice_row(tx, issued, cutoff_seq))
    if lines:
        tx.execute(sa.insert(invoice_line), [line_row(tx, issued.number, line) for line in lines])
    asked: list[ledger.Entry] = [
        ("receivable", net + tax, draft.currency, issued.customer),
        ("earnings", -net, draft.currency, issued.customer),
        ("tax_payable", -tax, draft.currency, None),
    ]
    ledger.post(tx, issued.operation, asked, f"invoice {issued.number}", reference=issued.number)
    if not issued.credit_minor:
        return issued
    record_payment(tx, issued, issued.credit_minor, operation=f"credit/{issued.number}", method="credit")
    return replace(issued, open_minor=issued.total_minor - issued.credit_minor)


def _next_numbers(tx: Transaction, timezone: str, count: int) -> list[str]:
    """'2026-000001' …: counted per year of issue, without gaps: the row stays locked until they are committed."""
    year = period_at(tx.now, timezone).name[:4]
    first = counters.take(tx, f"invoice {year}", count)
    return [f"{year}-{number:06d}" for number in range(first, first + count)]


def _parties(buyer: Customer, company: Company) -> tuple[dict[str, str], dict[str, str]]:
    """Seller and buyer as an invoice keeps them."""
    seller = {
        "name": company.name,
        "address": company.address,
        "tax_id": company.tax_id,
        "timezone": company.timezone,
        "locale": company.locale,
    }
    return seller, {
        "id": buyer.id,
        "name": buyer.name,
        "email": buyer.email,
        "address": buyer.address,
        "tax_id": buyer.tax_id,
        "locale": buyer.locale,
    }
