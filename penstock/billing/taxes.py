"""The tax rates in force: of the company, and of customers that have their own. A rate is that of the month of use.

A rate is a version that begins with a month and is never changed: a newer version of the same month takes its place.
No version changes a month that was invoiced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

import sqlalchemy as sa

from penstock.billing.records import TaxPart
from penstock.billing.tables import invoice, invoice_line, same_invoice, standing, tax_version
from penstock.billing.terms import lock_customer
from penstock.core.clock import Period, period_at, period_of
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.core.money import round_half_away
from penstock.identity.customers import get_customer
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company
from penstock.workspace.values import share_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # the first version holds from before any use
COMPANY = "company"  # a customer's own rate ends where it gets the company's again


@dataclass(frozen=True)
class TaxVersion:
    """A rate (0.06 is 6%) from `effective_from` on; of all (customer None), or of one customer, for a reason.

    rate None: from then on the customer has the company's rate again.
    """

    id: str
    customer: str | None
    rate: Decimal | None
    effective_from: datetime
    reason: str
    created_at: datetime

    @property
    def percent(self) -> str:
        """'6%', or 'company'."""
        return COMPANY if self.rate is None else percent(self.rate)


@dataclass(frozen=True)
class InForce:
    """The rate of a month, and the reason for it where it is a customer's own."""

    rate: Decimal
    reason: str = ""


@dataclass(frozen=True)
class Rates:
    """The versions of the company and of some customers, each in the order in which they hold."""

    company: tuple[TaxVersion, ...]
    own: Mapping[str, tuple[TaxVersion, ...]]

    def of(self, customer: str, start: datetime) -> InForce:
        """The rate of the customer in the month that begins at `start`."""
        mine = _at(self.own.get(customer, ()), start)
        if mine is not None and mine.rate is not None:
            return InForce(mine.rate, mine.reason)
        found = _at(self.company, start)
        if found is None or found.rate is None:
            raise NotFound("no tax rate is published yet", where="company.tax_rate", hint="run `penstock apply`")
        return InForce(found.rate)


def percent(rate: Decimal) -> str:
    """0.06 as '6%'."""
    return f"{(rate * 100).normalize():f}%"


def tax_by_rate(lines: Sequence[tuple[int, InForce]]) -> tuple[TaxPart, ...]:
    """Net and tax for each rate, the highest first; each tax is rounded once.

    lines: the net in minor units, and the rate of the month that the line is about.
    """
    nets: dict[Decimal, int] = defaultdict(int)
    reasons: dict[Decimal, set[str]] = defaultdict(set)
    for net, one in lines:
        nets[one.rate] += net
        reasons[one.rate] |= {one.reason} - {""}
    return tuple(
        TaxPart(rate, net, int(round_half_away(Decimal(net) * rate)), "; ".join(sorted(reasons[rate])))
        for rate, net in sorted(nets.items(), reverse=True)
    )


def now_in_force(tx: Transaction, customer: str) -> InForce | None:
    """The customer's rate in the present month; None before anything was published."""
    rates = rates_of(tx, [customer])
    return rates.of(customer, tx.now) if rates.company else None


def rates_of(tx: Transaction, customers: Collection[str]) -> Rates:
    """The rates that hold for these customers, of all months."""
    column = tax_version.c
    found: list[TaxVersion] = []
    # two questions: asked as one, the database reads the rates of all customers
    for whose in (column.customer.is_(None), column.customer.in_(sorted(customers))):
        query = sa.select(tax_version).where(column.organisation == tx.organisation, whose)
        found += [_version(row) for row in tx.all(query.order_by(column.effective_from, column.number))]
    ordered = sorted(found, key=lambda one: one.customer or "")  # stable: each keeps its order of time
    by = {customer: tuple(theirs) for customer, theirs in groupby(ordered, key=lambda one: one.customer or "")}
    return Rates(by.pop("", ()), by)


def customer_rates(tx: Transaction, customer: str) -> tuple[TaxVersion, ...]:
    """The versions that the customer has of its own, in the order in which they begin."""
    return rates_of(tx, [customer]).own.get(customer, ())


def publish_rates(tx: Transaction, company: Company) -> tuple[TaxVersion, ...]:
    """Make new versions where the file's rates differ from those in force; returns them.

    A plain `tax_rate` holds from the next month on (the first: from the beginning); a dated rate from its month.
    Raises Conflict for a rate that would change a month which was invoiced.
    """
    before = rates_of(tx, ()).company
    after, made = before, []
    for start, rate in _asked(company, before, period_at(tx.now, company.timezone)):
        present = _at(after, start)
        if present is None or present.rate != rate:
            version = TaxVersion(tx.new_id("tax"), None, rate, start, "", tx.now)
            after = _with(after, version)
            made.append(version)
    _refuse_invoiced(tx, before, after, None)
    for version in made:
        _insert(tx, version)
    return tuple(made)


def set_customer_rate(
    tx: Transaction, customer: str, rate: str, *, start: str, reason: str, timezone: str
) -> TaxVersion:
    """Give a customer its own rate ("0%" exempts it; "company" ends it) from the month `start` on, for a reason.

    The same again changes nothing. Raises Conflict for a month in which the customer was invoiced.
    """
    if not reason.strip():
        raise BadInput("a reason is needed", where="reason", hint="it stands on the customer's invoices")
    wanted = _rate(rate)
    known = get_customer(tx, customer).id
    lock_customer(tx, known)
    before, month = customer_rates(tx, known), period_of(start, timezone)
    present = _at(before, month.start)
    if present is not None and (present.rate, present.reason) == (wanted, reason.strip()):
        return present
    version = TaxVersion(tx.new_id("tax"), known, wanted, month.start, reason.strip(), tx.now)
    _refuse_invoiced(tx, before, _with(before, version), known)
    _insert(tx, version)
    counters.bump(tx, "terms")  # what it owes changed
    return version


def _rate(text: str) -> Decimal | None:
    try:
        return None if text == COMPANY else share_of(text)
    except ValueError as error:
        raise BadInput(str(error), where="rate", hint='write e.g. "6%", "0%", or company to end its own') from None


def _asked(company: Company, before: Sequence[TaxVersion], current: Period) -> list[tuple[datetime, Decimal]]:
    """From when each rate of the file is to hold, oldest first, with each moment at which a kept one would begin."""
    if company.tax:
        dated = [(period_of(one.start, company.timezone).start, one.rate) for one in company.tax]
        first = [] if before else [(BEGINNING, Decimal(0))]
    else:
        dated = [(current.end if before else BEGINNING, company.tax_rate)]
        first = []
    from_file = [*first, *sorted(dated)]
    known = {one.effective_from for one in before if one.effective_from > from_file[0][0]}
    later = {start: _last(from_file, start) for start in known}
    return sorted({**later, **dict(from_file)}.items())


def _last(dated: Sequence[tuple[datetime, Decimal]], moment: datetime) -> Decimal:
    return [rate for start, rate in dated if start <= moment][-1]


def _refuse_invoiced(
    tx: Transaction, before: Sequence[TaxVersion], after: Sequence[TaxVersion], customer: str | None
) -> None:
    """Raise Conflict when a month that stands on an invoice would have another rate."""
    if not before and customer is None:
        return  # the first rates: what was invoiced before had none that could change
    new = [one.effective_from for one in after if one not in before]
    if not new:
        return
    line = invoice_line.c
    query = (
        sa.select(line.period, line.period_start)
        .join_from(invoice_line, invoice, same_invoice())
        .where(line.organisation == tx.organisation, line.period_start >= min(new), standing(line.invoice))
    )
    if customer is not None:
        query = query.where(invoice.c.customer == customer)
    changed = [
        row["period"]
        for row in tx.all(query.distinct().order_by(line.period))
        if _same(_at(before, row["period_start"])) != _same(_at(after, row["period_start"]))
    ]
    if changed:
        raise Conflict(
            f"another tax rate from {min(changed)} would change months that are invoiced: {', '.join(changed)}",
            where="penstock.toml: company.tax" if customer is None else f"tax of {get_customer(tx, customer).name}",
            hint="date it from a month that is not invoiced yet; what an invoice got wrong is taken back by: "
            "penstock invoice void, or penstock invoice credit-note",
        )


def _same(version: TaxVersion | None) -> Decimal | None:
    return None if version is None else version.rate


def _at(versions: Sequence[TaxVersion], moment: datetime) -> TaxVersion | None:
    held = [one for one in versions if one.effective_from <= moment]
    return held[-1] if held else None


def _with(versions: Sequence[TaxVersion], new: TaxVersion) -> tuple[TaxVersion, ...]:
    order: Callable[[TaxVersion], datetime] = lambda one: one.effective_from  # noqa: E731  stable: the newest is last
    return tuple(sorted([*versions, new], key=order))


def _insert(tx: Transaction, version: TaxVersion) -> None:
    column = tax_version.c
    count = sa.select(sa.func.count()).where(
        column.organisation == tx.organisation,
        column.customer.is_(None) if version.customer is None else column.customer == version.customer,
    )
    rate = None if version.rate is None else f"{version.rate:f}"
    row = {**vars(version), "rate": rate, "organisation": tx.organisation, "number": int(tx.scalar(count)) + 1}
    tx.execute(sa.insert(tax_version), row)


def _version(row: sa.RowMapping) -> TaxVersion:
    names = TaxVersion.__dataclass_fields__
    rate = None if row["rate"] is None else Decimal(row["rate"])
    return TaxVersion(**{**{name: row[name] for name in names}, "rate": rate})
