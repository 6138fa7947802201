"""What the questions answer: frozen figures. Each figure is defined here, once.

A month's units are those used in it. A month's money is that of the invoices *for* it, whenever they were issued or
paid, so that units and money of one month speak of the same use. All amounts are net of tax unless they say total.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from penstock.billing.ledger import Balance
from penstock.core.clock import Period
from penstock.core.money import Money
from penstock.evaluation.intervals import Metric
from penstock.workspace.records import Price


@dataclass(frozen=True)
class Judgement:
    """The newest decision on a product: of which candidate, yes or no, and why (JSON forms of gate.Reason)."""

    candidate: str
    number: int
    passed: bool
    reasons: tuple[dict[str, Any], ...]
    decided_at: datetime

    @property
    def why(self) -> dict[str, Any] | None:
        """The reason to show first: the first that failed, else the first."""
        failed = [reason for reason in self.reasons if not reason["passed"]]
        return next(iter(failed or self.reasons), None)


@dataclass(frozen=True)
class Measured:
    """What the report says of the model in use: the live release's candidate, else the newest judged one.

    quality: the metric that speaks for this task's models, named `headline`.
    """

    candidate: str
    headline: str
    quality: Metric
    latency_p95_ms: Metric
    cost_per_1000: Decimal
    gross_margin: Metric | None


@dataclass(frozen=True)
class ProductFigures:
    """A product and its month.

    units: used in the month. unbilled_units: those of them that no invoice has as part of a line. revenue: lines of
    the month's invoices for this product. unbilled: what those units come to beyond what invoices asked for.
    price: None when nothing is published. task: "" when penstock.toml no longer names the product.
    """

    name: str
    title: str
    task: str
    backbone: str | None
    price: Price | None
    data_version: int | None
    release: int | None
    released_at: datetime | None
    judgement: Judgement | None
    measured: Measured | None
    units: int
    unbilled_units: int
    revenue: Money
    unbilled: Money
    open_feedback: int


@dataclass(frozen=True)
class CustomerFigures:
    """A customer and its month.

    unbilled: use and plan fee of the month that no invoice asked for. open_total: with tax, unpaid on all its
    invoices, of which there are open_invoices. credit: prepaid money left in the ledger.
    """

    id: str
    name: str
    email: str
    terms: str
    plan: str | None
    units: int
    unbilled: Money
    open_invoices: int
    open_total: Money
    credit: Money
    archived: bool = False


@dataclass(frozen=True)
class MonthMoney:
    """The money of the month's invoices. Totals include tax; revenue does not.

    paid_total: all payments on them, prepaid credit too. refunded_total: given back of them. open_total: their part
    of the ledger's receivable. commissions: earned by partners on them, taken-back ones subtracted.
    unbilled: of all customers, as in CustomerFigures.
    """

    invoices: int
    revenue: Money
    invoiced_total: Money
    paid_total: Money
    refunded_total: Money
    open_total: Money
    commissions: Money
    unbilled: Money


@dataclass(frozen=True)
class Day:
    """Units of all products and customers on one calendar day."""

    day: date
    units: int


@dataclass(frozen=True)
class Overview:
    """The company in one month. balances: the whole ledger, of all months, per account and currency."""

    period: Period
    currency: str
    products: tuple[ProductFigures, ...]
    customers: tuple[CustomerFigures, ...]
    money: MonthMoney
    days: tuple[Day, ...]
    balances: tuple[Balance, ...]
