"""What a customer owes: open invoices, and what no invoice asked for yet, at the prices and plans of each period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import sqlalchemy as sa

from penstock.billing import ledger
from penstock.billing.credits import credit_balance
from penstock.billing.subscriptions import allowance, subscription_of
from penstock.billing.tables import invoice, invoice_line, standing, usage_grant
from penstock.billing.taxes import rates_of
from penstock.billing.terms import Terms, terms_of
from penstock.billing.versions import price_for, priced_products
from penstock.core.clock import Period, period_at
from penstock.core.money import Money, exponent, money
from penstock.identity.customers import get_customer
from penstock.metering.totals import running
from penstock.storage.engine import Transaction
from penstock.storage.schema import Instant
from penstock.workspace.records import Company, Price

GRACE_S = 60  # a grant's units stay held this long after it expired: work begun before may still be settled
FRESH_S = 35  # a living gateway renews its grants of 60 s every 20 s, so they have longer than that to go
IDLE_S = 6  # and it returns what was not used for 5 s


@dataclass(frozen=True)
class Held:
    """Units that gateways hold in open grants and have not used, by (product, period name).

    back_in_s: seconds until the first of them may come back: some, from a gateway that lives; else when the last grant
    of one that ended expires and its grace is over. None when nothing is held.
    """

    units: Mapping[tuple[str, str], int]
    back_in_s: float | None = None

    def of(self, product: str, period: str | None = None) -> int:
        """Held of the product: of grants opened in `period`, or of all (they may be used now, whenever opened)."""
        return sum(units for (one, opened), units in self.units.items() if one == product and period in (None, opened))


@dataclass(frozen=True)
class Charged:
    """A product in a period: units used and held, the allowance, the price, and what invoices asked for already."""

    product: str
    period: str
    units: int
    held: int
    allowance: int
    price: Price
    invoiced: Decimal

    def owed(self, more: int, currency: str) -> Decimal:
        """What the use comes to with `more` units: as exact, or as it would be rounded on a line, if that is more."""
        exact = self.price.amount(max(0, self.units + more - self.allowance))
        return max(exact, money(exact, currency).to_decimal()) - self.invoiced


@dataclass(frozen=True)
class Fee:
    """A plan's fee for a period that no invoice asked for yet. It is due in full when the period begins."""

    period: str
    amount: Decimal


@dataclass(frozen=True)
class Account:
    """A customer's credit and what stands against it, in major units of `currency`.

    open: unpaid on issued invoices, tax included. fees and charges: not invoiced yet, before tax.
    tax_rates: by the name of the period.
    """

    currency: str
    credit: Decimal
    tax_rates: Mapping[str, Decimal]
    open: Decimal
    fees: tuple[Fee, ...]
    charges: tuple[Charged, ...]

    def owed(self, product: str = "", period: str = "", more: int = 0) -> Decimal:
        """All that is owed, with tax, if what is held is used, and `more` units of a charge on top."""
        nets: dict[str, Decimal] = defaultdict(Decimal)
        for fee in self.fees:
            nets[fee.period] += fee.amount
        for one in self.charges:
            extra = more if (one.product, one.period) == (product, period) else 0
            nets[one.period] += one.owed(one.held + extra, self.currency)
        return self.open + sum((net + self._tax(net, month) for month, net in nets.items()), Decimal(0))

    def cost(self, product: str, period: str, more: int) -> Decimal:
        """What `more` units of a charge cost at the place where they would be used, with tax, unrounded."""
        [one] = [each for each in self.charges if (each.product, each.period) == (product, period)]
        place = one.units + one.held - one.allowance
        net = one.price.amount(max(0, place + more)) - one.price.amount(max(0, place))
        return net * (1 + self.tax_rates[period])

    def without_holds(self) -> Account:
        """As if everything held came back unused."""
        return replace(self, charges=tuple(replace(one, held=0) for one in self.charges))

    def standing(self, terms: Terms) -> Standing:
        """The same in words and whole minor units."""
        fees = sum((fee.amount for fee in self.fees), Decimal(0))
        used = sum((one.owed(0, self.currency) for one in self.charges), Decimal(0))
        held = sum((one.owed(one.held, self.currency) for one in self.charges), Decimal(0)) - used
        owed = self.owed()
        credit = self._up(self.credit)
        return Standing(
            terms=terms,
            credit=credit,
            running_use=self._up(used),
            held=self._up(used + held) - self._up(used),
            plan_fees=self._up(fees),
            tax=self._up(owed - self.open) - self._up(used + held) - self._up(fees),
            open_invoices=self._up(self.open),
            owed=self._up(owed),
            left=credit - self._up(owed),
        )

    def _tax(self, net: Decimal, period: str) -> Decimal:
        """Rounded up, by period: at least what invoices will ask for."""
        places = exponent(self.currency)
        tax = (net * self.tax_rates[period]).scaleb(places).to_integral_value(ROUND_CEILING).scaleb(-places)
        return max(Decimal(0), tax)

    def _up(self, amount: Decimal) -> Money:
        places = exponent(self.currency)
        return Money(int(amount.scaleb(places).to_integral_value(ROUND_CEILING)), self.currency)


@dataclass(frozen=True)
class Standing:
    """What a customer paid in advance, what it owes, and what is left to spend of the one after the other.

    running_use, held (by requests and gateways) and plan_fees: not invoiced yet, before tax; tax: on those three.
    open_invoices: unpaid, with tax. owed: these five together. left: credit less what is owed; below zero, so much
    is missing. Only a prepaid customer is stopped by it.
    """

    terms: Terms
    credit: Money
    running_use: Money
    held: Money
    plan_fees: Money
    tax: Money
    open_invoices: Money
    owed: Money
    left: Money


def standing_of(tx: Transaction, customer: str, company: Company) -> Standing:
    """How the customer stands now. Needs a writing transaction. Raises NotFound for a customer that is not known."""
    who = get_customer(tx, customer).id
    return account_of(tx, who, company, held(tx, who, tx.shared_now)).standing(terms_of(tx, who))


def held(tx: Transaction, customer: str, now: datetime) -> Held:
    """What open grants hold, up to their expiry and grace. now: the shared time."""
    column = usage_grant.c
    unused = sa.case((column.units > column.used, column.units - column.used), else_=0)
    query = (
        sa.select(column.product, column.period, sa.func.sum(unused).label("units"), _last_expiry(column))
        .where(
            column.organisation == tx.organisation,
            column.customer == customer,
            column.state == "open",
            column.expires_at > now - timedelta(seconds=GRACE_S),
        )
        .group_by(column.product, column.period)
    )
    rows = tx.all(query)
    expiries = [row["expires_at"] for row in rows if row["units"]]
    back_in_s = min((_back_in_s((expiry - now).total_seconds()) for expiry in expiries), default=None)
    return Held({(row["product"], row["period"]): int(row["units"]) for row in rows}, back_in_s)


def _last_expiry(column: Any) -> sa.Label[datetime]:
    return sa.func.max(column.expires_at, type_=Instant()).label("expires_at")


def _back_in_s(left_s: float) -> float:
    return IDLE_S if left_s > FRESH_S else max(1.0, left_s + GRACE_S)


def account_of(tx: Transaction, customer: str, company: Company, holds: Held) -> Account:
    """The customer's credit against all that it owes, counting `holds` as used.

    Reads the months since its last invoice, and the month before this one. Needs a writing transaction.
    """
    current = period_at(tx.shared_now, company.timezone)
    months = _open_months(tx, customer, current, company.timezone)
    fees = _fees(tx, customer, months)
    totals = running(tx, customer, [(product, month) for product in priced_products(tx) for month in months.values()])
    invoiced = _invoiced(tx, customer)
    charges = []
    for (product, month), used in totals.items():
        extra = holds.of(product) if month == current.name else holds.of(product, month)
        asked_minor = invoiced.get((product, month), 0)  # of use that was since corrected to nothing, it comes back
        if used or extra or asked_minor or month == current.name:
            price = price_for(tx, product, months[month])
            free = allowance(tx, customer, product, months[month])
            asked = Decimal(asked_minor).scaleb(-exponent(price.currency))
            charges.append(Charged(product, month, used, extra, free, price.price, asked))
    credit = credit_balance(tx, customer)
    currency = credit.currency
    unpaid = Money(ledger.balance(tx, "receivable", customer).get(currency, 0), currency).to_decimal()
    rates = rates_of(tx, [customer])
    by_month = {name: rates.of(customer, month.start).rate for name, month in months.items()}
    return Account(currency, credit.to_decimal(), by_month, unpaid, fees, tuple(charges))


def _open_months(tx: Transaction, customer: str, current: Period, timezone: str) -> dict[str, Period]:
    """By name: this month, the last one (use may arrive late), and all since the customer's last invoice or start."""
    mine = (invoice.c.organisation == tx.organisation, invoice.c.customer == customer)
    last = sa.select(sa.func.max(invoice.c.period_end)).where(*mine, standing(invoice.c.number))
    since: datetime = tx.scalar(last) or get_customer(tx, customer).created_at
    void = tx.scalar(sa.select(sa.func.min(invoice.c.period_start)).where(*mine, ~standing(invoice.c.number)))
    since = min(since, void or since)  # a void month may be invoiced again
    month = period_at(min(since, current.start - timedelta(days=1)), timezone)
    months = {}
    while month.start <= current.start:
        months[month.name] = month
        month = period_at(month.end, timezone)
    return months


def _fees(tx: Transaction, customer: str, months: Mapping[str, Period]) -> tuple[Fee, ...]:
    """Plan fees of these months that stand on no invoice."""
    line = invoice_line.c
    query = sa.select(line.period).where(
        line.organisation == tx.organisation, line.kind == "plan", _of_customer(customer), line.period.in_(months)
    )
    asked = {row["period"] for row in tx.all(query)}
    plans = {name: subscription_of(tx, customer, month) for name, month in months.items() if name not in asked}
    return tuple(Fee(name, one.plan.monthly.to_decimal()) for name, one in plans.items() if one is not None)


def _invoiced(tx: Transaction, customer: str) -> dict[tuple[str, str], int]:
    """Minor units asked for so far by (product, period of use)."""
    line = invoice_line.c
    query = (
        sa.select(line.product, line.period, sa.func.sum(line.amount_minor).label("amount"))
        .where(line.organisation == tx.organisation, line.product.is_not(None), _of_customer(customer))
        .group_by(line.product, line.period)
    )
    return {(row["product"], row["period"]): int(row["amount"]) for row in tx.all(query)}


def _of_customer(customer: str) -> sa.ColumnElement[bool]:
    """Whether a line stands on an invoice of the customer."""
    line = invoice_line.c
    mine = (invoice.c.organisation == line.organisation, invoice.c.number == line.invoice)
    return sa.and_(sa.exists().where(*mine, invoice.c.customer == customer), standing(line.invoice))
