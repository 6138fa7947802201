"""The company in one month, across all packages. It reads; it never writes.

A fixed number of queries for all customers together, a few for each product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.analytics import month
from penstock.analytics.month import Asked, Plan
from penstock.analytics.records import CustomerFigures, Overview, ProductFigures
from penstock.analytics.standing import standing
from penstock.analytics.usage import Charge, units_by_charge, units_by_day
from penstock.billing import ledger
from penstock.billing.catalogue import price_for
from penstock.core.clock import Period
from penstock.core.errors import NotFound
from penstock.core.money import Money
from penstock.identity.customers import list_customers
from penstock.monitoring.review import state_counts
from penstock.storage.blobs import BlobStore
from penstock.storage.engine import Transaction
from penstock.workspace.records import Price, Workspace

_ASKED_NOTHING = Asked(0, 0)


@dataclass(frozen=True)
class _Tally:
    """Sums of the month's charges under one key, a product or a customer; unbilled in minor units."""

    units: Counter[str]
    asked_units: Counter[str]
    unbilled: Counter[str]


def overview(tx: Transaction, workspace: Workspace, period: Period) -> Overview:
    """All figures of `period`; what stands (releases, open invoices, credit) is as of now. See records for each."""
    currency = workspace.company.currency
    units = units_by_charge(tx, period)
    asked = month.asked_by_charge(tx, period)
    revenue = month.revenue_by_product(tx, period)
    plans = month.plans_of(tx, period)
    names = sorted({*workspace.products, *(product for _, product in {*units, *asked}), *revenue} - {""})
    prices = {name: _price(tx, name, period) for name in names}
    unbilled = _unbilled(units, asked, plans, prices, currency)
    by_product, by_customer = _tally(units, asked, unbilled, "product"), _tally(units, asked, unbilled, "customer")
    said = open_feedback(tx)
    customers = _customers(tx, period, currency, by_customer, plans)
    return Overview(
        period=period,
        currency=currency,
        products=tuple(
            _product(tx, workspace, name, prices[name], by_product, revenue.get(name, 0), said.get(name, 0))
            for name in names
        ),
        customers=customers,
        money=month.month_money(tx, period, currency, sum(one.unbilled.amount_minor for one in customers)),
        days=units_by_day(tx, period, workspace.company.timezone),
        balances=tuple(ledger.balances(tx)),
    )


def open_feedback(tx: Transaction) -> dict[str, int]:
    """Per product, the corrections that wait for the operator or were accepted, and that no release learned from."""
    return {product: found.get("waiting", 0) + found.get("accepted", 0) for product, found in state_counts(tx).items()}


def _price(tx: Transaction, product: str, period: Period) -> Price | None:
    try:
        return price_for(tx, product, period).price
    except NotFound:
        return None


def _unbilled(
    units: Mapping[Charge, int],
    asked: Mapping[Charge, Asked],
    plans: Mapping[str, Plan],
    prices: Mapping[str, Price | None],
    currency: str,
) -> dict[Charge, int]:
    """Per charge, minor units that its use comes to beyond what invoices asked for."""
    found = {}
    for charge in {*units, *asked}:
        customer, product = charge
        price, plan = prices[product], plans.get(customer)
        allowance = plan.includes.get(product, 0) if plan else 0
        accrued = month.accrued_minor(units.get(charge, 0), price, allowance, currency) if price else 0
        found[charge] = accrued - asked.get(charge, _ASKED_NOTHING).amount_minor
    return found


def _tally(
    units: Mapping[Charge, int],
    asked: Mapping[Charge, Asked],
    unbilled: Mapping[Charge, int],
    by: Literal["customer", "product"],
) -> _Tally:
    side = 0 if by == "customer" else 1
    made = _Tally(Counter(), Counter(), Counter())
    for charge, amount in unbilled.items():
        made.units[charge[side]] += units.get(charge, 0)
        made.asked_units[charge[side]] += asked.get(charge, _ASKED_NOTHING).units
        made.unbilled[charge[side]] += amount
    return made


def _product(
    tx: Transaction, workspace: Workspace, name: str, price: Price | None, tally: _Tally, revenue: int, said: int
) -> ProductFigures:
    known = workspace.products.get(name)
    now = standing(tx, BlobStore(workspace.blobs, keys=tx.keys), name)
    currency = workspace.company.currency
    return ProductFigures(
        name=name,
        title=(known.title if known else "") or name,
        task=known.task if known else "",
        backbone=known.backbone if known else None,
        price=price,
        data_version=now.data_version,
        release=now.release,
        released_at=now.released_at,
        judgement=now.judgement,
        measured=now.measured,
        units=tally.units[name],
        unbilled_units=tally.units[name] - tally.asked_units[name],
        revenue=Money(revenue, currency),
        unbilled=Money(tally.unbilled[name], currency),
        open_feedback=said,
    )


def _customers(
    tx: Transaction, period: Period, currency: str, tally: _Tally, plans: Mapping[str, Plan]
) -> tuple[CustomerFigures, ...]:
    fees_asked = month.billed_plans(tx, period)
    unpaid, credit, terms = month.unpaid_by_customer(tx), month.credit_by_customer(tx), month.terms_by_customer(tx)
    found = []
    for one in list_customers(tx):
        plan = plans.get(one.id)
        fee = plan.monthly_minor if plan and one.id not in fees_asked else 0
        open_invoices, open_minor = unpaid.get(one.id, (0, 0))
        found.append(
            CustomerFigures(
                id=one.id,
                name=one.name,
                email=one.email,
                terms=terms.get(one.id, "invoice"),
                plan=plan.title if plan else None,
                units=tally.units[one.id],
                unbilled=Money(fee + tally.unbilled[one.id], currency),
                open_invoices=open_invoices,
                open_total=Money(open_minor, currency),
                credit=Money(credit.get(one.id, 0), currency),
                archived=one.archived_at is not None,
            )
        )
    return tuple(found)
