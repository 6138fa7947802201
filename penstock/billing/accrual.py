"""What a customer owes that no invoice has asked for yet: exact, at the prices and allowances of each period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import sqlalchemy as sa

from penstock.billing.credits import credit_balance
from penstock.billing.subscriptions import allowance
from penstock.billing.tables import invoice, invoice_line, usage_grant
from penstock.billing.versions import price_for, priced_products
from penstock.core.clock import Period, period_at
from penstock.core.money import exponent, money
from penstock.identity.customers import get_customer
from penstock.metering.totals import running
from penstock.storage.engine import Transaction
from penstock.workspace.records import Company, Price


@dataclass(frozen=True)
class Held:
    """Units that gateways hold in open grants and have not used, by (product, period name)."""

    units: Mapping[tuple[str, str], int]

    def of(self, product: str, period: str | None = None) -> int:
        """Held of the product: of grants opened in `period`, or of all (they may be used now, whenever opened)."""
        return sum(units for (one, opened), units in self.units.items() if one == product and period in (None, opened))


@dataclass(frozen=True)
class Charged:
    """A product in a period: units used and held, the allowance, the price, and what invoices asked for already."""

    product: str
    period: str
    units: int
    allowance: int
    price: Price
    invoiced: Decimal

    def owed(self, more: int, currency: str) -> Decimal:
        """What the use comes to with `more` units: as exact, or as it would be rounded on a line, if that is more."""
        exact = self.price.amount(max(0, self.units + more - self.allowance))
        return max(exact, money(exact, currency).to_decimal()) - self.invoiced


@dataclass(frozen=True)
class Account:
    """A customer's credit and what stands against it, in major units of `currency`."""

    currency: str
    credit: Decimal
    tax_rate: Decimal
    charges: tuple[Charged, ...]

    def owed(self, product: str = "", period: str = "", more: int = 0) -> Decimal:
        """All that is used or held and not invoiced, with tax, if `more` units of a charge came on top."""
        net = sum(
            (
                one.owed(more if (one.product, one.period) == (product, period) else 0, self.currency)
                for one in self.charges
            ),
            Decimal(0),
        )
        places = exponent(self.currency)
        tax = (net * self.tax_rate).scaleb(places).to_integral_value(ROUND_CEILING).scaleb(-places)
        return net + max(Decimal(0), tax)


def held(tx: Transaction, customer: str, alive_after: datetime) -> Held:
    """What open grants that expire after `alive_after` still hold."""
    column = usage_grant.c
    unused = sa.case((column.units > column.used, column.units - column.used), else_=0)
    query = (
        sa.select(column.product, column.period, sa.func.sum(unused).label("units"))
        .where(
            column.organisation == tx.organisation,
            column.customer == customer,
            column.state == "open",
            column.expires_at > alive_after,
        )
        .group_by(column.product, column.period)
    )
    return Held({(row["product"], row["period"]): int(row["units"]) for row in tx.all(query)})


def account_of(tx: Transaction, customer: str, company: Company, holds: Held) -> Account:
    """The customer's credit against its use that is not invoiced yet, counting `holds` as used.

    Reads the months since its last invoice, and the month before this one. Needs a writing transaction.
    """
    current = period_at(tx.now, company.timezone)
    months = _open_months(tx, customer, current, company.timezone)
    totals = running(tx, customer, [(product, month) for product in priced_products(tx) for month in months.values()])
    invoiced = _invoiced(tx, customer)
    charges = []
    for (product, month), used in totals.items():
        extra = holds.of(product) if month == current.name else holds.of(product, month)
        if used or extra or month == current.name:
            price = price_for(tx, product, months[month])
            free = allowance(tx, customer, product, months[month])
            asked = Decimal(invoiced.get((product, month), 0)).scaleb(-exponent(price.currency))
            charges.append(Charged(product, month, used + extra, free, price.price, asked))
    credit = credit_balance(tx, customer)
    return Account(credit.currency, credit.to_decimal(), company.tax_rate, tuple(charges))


def _open_months(tx: Transaction, customer: str, current: Period, timezone: str) -> dict[str, Period]:
    """By name: this month, the last one (use may arrive late), and all since the customer's last invoice or start."""
    last = sa.select(sa.func.max(invoice.c.period_end)).where(
        invoice.c.organisation == tx.organisation, invoice.c.customer == customer
    )
    since: datetime = tx.scalar(last) or get_customer(tx, customer).created_at
    month = period_at(min(since, current.start - timedelta(days=1)), timezone)
    months = {}
    while month.start <= current.start:
        months[month.name] = month
        month = period_at(month.end, timezone)
    return months


def _invoiced(tx: Transaction, customer: str) -> dict[tuple[str, str], int]:
    """Minor units asked for so far by (product, period of use)."""
    line = invoice_line.c
    mine = sa.and_(invoice.c.organisation == line.organisation, invoice.c.number == line.invoice)
    query = (
        sa.select(line.product, line.period, sa.func.sum(line.amount_minor).label("amount"))
        .join_from(invoice_line, invoice, mine)
        .where(line.organisation == tx.organisation, invoice.c.customer == customer, line.product.is_not(None))
        .group_by(line.product, line.period)
    )
    return {(row["product"], row["period"]): int(row["amount"]) for row in tx.all(query)}
