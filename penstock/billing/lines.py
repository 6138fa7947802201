"""The lines of invoices to be issued: a plan's fee, and use that no invoice has as a line yet."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from penstock.billing.rating import RatingRun, breakdown, runs_to_invoice
from penstock.billing.records import Line, LineTier
from penstock.billing.subscriptions import Subscription, subscriptions_of
from penstock.billing.taxes import InForce, Rates
from penstock.billing.versions import PriceVersion, get_price_versions
from penstock.core.clock import Period
from penstock.storage.engine import Transaction


def lines_of(
    tx: Transaction, customers: Sequence[str], period: Period, rates: Rates
) -> dict[str, tuple[tuple[Line, InForce], ...]]:
    """By customer, the lines of its invoice with their rates of tax: the plan's fee, then use, late use of older
    periods first."""
    plans = subscriptions_of(tx, customers, period)
    runs = runs_to_invoice(tx, customers, period)
    versions = get_price_versions(tx, {run.price_version for theirs in runs.values() for run in theirs})
    found = {}
    for customer in customers:
        lines: list[tuple[Line, InForce]] = []
        if (plan := plans.get(customer)) is not None:
            rate = rates.of(customer, period.start)
            lines.append((_plan_line(plan, period, rate.rate), rate))
        for run in sorted(runs.get(customer, ()), key=lambda run: run.period.name == period.name):
            rate, late = rates.of(customer, run.period.start), run.period.name != period.name
            lines.append((_usage_line(len(lines) + 1, versions[run.price_version], run, rate.rate, late=late), rate))
        found[customer] = tuple(lines)
    return found


def _plan_line(subscription: Subscription, period: Period, tax_rate: Decimal) -> Line:
    plan = subscription.plan
    fee = plan.monthly.to_decimal()
    return Line(
        number=1,
        kind="plan",
        title=plan.title,
        product=None,
        plan_version=plan.id,
        rating_run=None,
        period=period,
        quantity=1,
        unit="month",
        tiers=(LineTier(1, fee, fee),),
        amount_minor=plan.monthly.amount_minor,
        after_seq=None,
        cutoff_seq=None,
        tax_rate=tax_rate,
    )


def _usage_line(number: int, version: PriceVersion, run: RatingRun, tax_rate: Decimal, *, late: bool) -> Line:
    return Line(
        number=number,
        kind="late usage" if late else "usage",
        title=version.title,
        product=run.product,
        plan_version=None,
        rating_run=run.id,
        period=run.period,
        quantity=run.delta_units,
        unit=version.price.unit,
        tiers=tuple(LineTier(use.units, use.unit_price, use.amount) for use in breakdown(version.price, run)),
        amount_minor=run.delta_minor,
        after_seq=run.after_seq,
        cutoff_seq=run.cutoff_seq,
        tax_rate=tax_rate,
    )
