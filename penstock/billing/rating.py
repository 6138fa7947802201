"""Turns quantities into money: immutable rating runs over cumulative quantities. Knows no invoices, no ledger.

A run rates all that a customer used of a product in a period up to a cut-off, and adds only what earlier runs did
not book. So N runs sum to one run, and the order of arrival changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from penstock.billing.subscriptions import allowance, subscriptions_of
from penstock.billing.tables import invoice_line, invoice_void, rating_run, standing
from penstock.billing.versions import PriceVersion, price_for
from penstock.core.clock import Period
from penstock.core.errors import Broken
from penstock.core.money import money
from penstock.metering.quantities import MOST_QUANTITY, Quantity, quantities, quantity
from penstock.storage.engine import Transaction
from penstock.workspace.records import Price


@dataclass(frozen=True)
class RatingRun:
    """Use of a product in a period, rated up to event `cutoff_seq`.

    cumulative_units cost amount_minor after `allowance` units free of charge; delta_units and delta_minor are what
    the events in (after_seq, cutoff_seq] add to the runs before.
    """

    id: str
    customer: str
    product: str
    period: Period
    after_seq: int
    cutoff_seq: int
    cumulative_units: int
    delta_units: int
    allowance: int
    price_version: str
    currency: str
    amount_minor: int
    delta_minor: int
    rated_at: datetime


@dataclass(frozen=True)
class TierUse:
    """Units of a line that fell into one tier. unit_price None: included in the plan."""

    units: int
    unit_price: Decimal | None

    @property
    def amount(self) -> Decimal:
        return self.units * (self.unit_price or Decimal(0))


def rate(
    tx: Transaction, customer: str, product: str, period: Period, *, up_to_seq: int | None = None
) -> RatingRun | None:
    """Rate what is new since the last run, up to `up_to_seq` if given; None when nothing is.

    Graduated over the cumulative quantity and rounded once, half away from zero. Raises NotFound without a price.
    """
    last = last_run(tx, customer, product, period)
    used = quantity(tx, customer=customer, product=product, period=period, up_to_seq=up_to_seq)
    if used.cutoff_seq <= (last.cutoff_seq if last else 0):
        return None
    price = price_for(tx, product, period)
    run = _run(tx, used, last, price, allowance(tx, customer, product, period))
    tx.execute(sa.insert(rating_run), _row(tx, run))
    return run


def rate_all(tx: Transaction, customers: Sequence[str], period: Period, *, up_to_seq: int) -> None:
    """Rate all that is new of these customers in the period, in as many queries whether they are one or fifty."""
    runs = _last_runs(tx, customers, period)
    plans = subscriptions_of(tx, customers, period)
    prices: dict[str, PriceVersion] = {}
    rows = []
    for used in quantities(tx, customers, period, up_to_seq=up_to_seq):
        last = runs.get((used.customer, used.product))
        if used.cutoff_seq <= (last.cutoff_seq if last else 0):
            continue
        price = prices.get(used.product) or price_for(tx, used.product, period)
        prices[used.product] = price
        plan = plans.get(used.customer)
        free = plan.plan.includes.get(used.product, 0) if plan else 0
        rows.append(_row(tx, _run(tx, used, last, price, free)))
    if rows:
        tx.execute(sa.insert(rating_run), rows)


def charged_minor(tx: Transaction, customer: str, product: str, period: Period) -> int:
    """What all use of the product in the period comes to now, as it would be rounded on a line."""
    units = quantity(tx, customer=customer, product=product, period=period).units
    price = price_for(tx, product, period)
    free = allowance(tx, customer, product, period)
    return money(price.price.amount(max(0, units - free)), price.currency).amount_minor


def last_run(tx: Transaction, customer: str, product: str, period: Period) -> RatingRun | None:
    """The newest run of a charge: its amount_minor is what is booked so far."""
    column = rating_run.c
    query = sa.select(rating_run).where(
        column.organisation == tx.organisation,
        column.customer == customer,
        column.product == product,
        column.period == period.name,
    )
    row = tx.first(query.order_by(column.cutoff_seq.desc()).limit(1))
    return None if row is None else read_run(row)


def runs_to_invoice(tx: Transaction, customers: Sequence[str], until: Period) -> dict[str, list[RatingRun]]:
    """By customer, its runs of `until` and the periods before it that no invoice has as a line, by period, product."""
    column = rating_run.c
    invoiced = sa.and_(
        invoice_line.c.organisation == column.organisation,
        invoice_line.c.rating_run == column.id,
        standing(invoice_line.c.invoice),
    )
    query = (
        sa.select(rating_run)
        .join_from(rating_run, invoice_line, invoiced, isouter=True)
        .where(
            column.organisation == tx.organisation,
            column.customer.in_(customers),
            column.period_end <= until.end,
            invoice_line.c.rating_run.is_(None),
        )
    )
    found: dict[str, list[RatingRun]] = defaultdict(list)
    for row in tx.all(query.order_by(column.period_start, column.product, column.cutoff_seq)):
        found[row["customer"]].append(read_run(row))
    return found


def with_voided_use(tx: Transaction, period: Period) -> set[str]:
    """Customers with use up to the period that only void invoices have as a line."""
    again = invoice_line.alias()
    asked = sa.exists().where(
        again.c.organisation == invoice_line.c.organisation,
        again.c.rating_run == invoice_line.c.rating_run,
        standing(again.c.invoice),
    )
    mine = (
        invoice_void.c.organisation == invoice_line.c.organisation,
        invoice_void.c.invoice == invoice_line.c.invoice,
    )
    query = (
        sa.select(invoice_void.c.customer)
        .join_from(invoice_void, invoice_line, sa.and_(*mine))
        .where(
            invoice_void.c.organisation == tx.organisation,
            invoice_line.c.rating_run.is_not(None),
            invoice_line.c.period_end <= period.end,
            ~asked,
        )
    )
    return {row["customer"] for row in tx.all(query.distinct())}


def breakdown(price: Price, run: RatingRun) -> list[TierUse]:
    """The run's new units by tier, what the plan includes first. Tiers that got none are left out."""
    before = run.cumulative_units - run.delta_units
    now, then = (_by_tier(price, units, run.allowance) for units in (run.cumulative_units, before))
    return [TierUse(a - b, unit_price) for (a, unit_price), (b, _) in zip(now, then, strict=True) if a != b]


def read_run(row: Mapping[Any, Any]) -> RatingRun:
    """A run from its row."""
    names = set(RatingRun.__dataclass_fields__) - {"period"}
    period = Period(row["period"], row["period_start"], row["period_end"])
    return RatingRun(period=period, **{name: row[name] for name in names})


def _run(tx: Transaction, used: Quantity, last: RatingRun | None, price: PriceVersion, free: int) -> RatingRun:
    _refuse_absurd(used)
    amount = money(price.price.amount(max(0, used.units - free)), price.currency).amount_minor
    return RatingRun(
        id=tx.new_id("run"),
        customer=used.customer,
        product=used.product,
        period=used.period,
        after_seq=last.cutoff_seq if last else 0,
        cutoff_seq=used.cutoff_seq,
        cumulative_units=used.units,
        delta_units=used.units - (last.cumulative_units if last else 0),
        allowance=free,
        price_version=price.id,
        currency=price.currency,
        amount_minor=amount,
        delta_minor=amount - (last.amount_minor if last else 0),
        rated_at=tx.now,
    )


def _refuse_absurd(used: Quantity) -> None:
    if used.units > MOST_QUANTITY:
        too_many = f"penstock usage correct {used.customer} {used.product} -UNITS --period {used.period.name}"
        raise Broken(
            f"{used.units:,} units of {used.product} in {used.period.name} are more than the {MOST_QUANTITY:,} "
            "that a month is billed for",
            where="usage",
            hint=f'take off what was not used: {too_many} --reason "…" --operation ID',
        )


def _last_runs(tx: Transaction, customers: Sequence[str], period: Period) -> dict[tuple[str, str], RatingRun]:
    """By customer and product, the newest run of each charge of the period."""
    column = rating_run.c
    query = sa.select(rating_run).where(
        column.organisation == tx.organisation, column.customer.in_(customers), column.period == period.name
    )
    rows = tx.all(query.order_by(column.cutoff_seq))  # the newest last: it stays
    return {(row["customer"], row["product"]): read_run(row) for row in rows}


def _by_tier(price: Price, units: int, free: int) -> list[tuple[int, Decimal | None]]:
    rated, below = max(0, units - free), 0
    uses: list[tuple[int, Decimal | None]] = [(min(units, free), None)]
    for tier in price.tiers:
        top = rated if tier.up_to is None else min(rated, tier.up_to)
        uses.append((max(0, top - below), tier.unit_price))
        below = max(below, top)
    return uses


def _row(tx: Transaction, run: RatingRun) -> dict[str, Any]:
    fields = {name: getattr(run, name) for name in RatingRun.__dataclass_fields__ if name != "period"}
    period = {"period": run.period.name, "period_start": run.period.start, "period_end": run.period.end}
    return {"organisation": tx.organisation, **fields, **period}
