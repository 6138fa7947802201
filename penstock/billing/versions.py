"""What is for sale: versioned prices and plans. Knows no customers, no usage and no ledger.

A version is immutable. A new price applies to periods that begin after it was published, so nothing already sold
changes; a product's first price applies from its beginning. A subscriber keeps the plan version subscribed to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.billing.tables import book, plan_version, price_version
from penstock.billing.taxes import publish_rates
from penstock.core.clock import Period
from penstock.core.errors import Conflict, NotFound
from penstock.core.hashing import digest_of
from penstock.core.money import Money, exact_money
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new
from penstock.workspace.records import Company, Plan, Price, Product, Workspace, dump


@dataclass(frozen=True)
class Book:
    """The currency and the time zone (in which months begin) that everything is kept in, from the first price on."""

    currency: str
    timezone: str


@dataclass(frozen=True)
class PriceVersion:
    """The `number`-th price of a product; digest: hash of what it says."""

    id: str
    product: str
    number: int
    title: str
    price: Price
    currency: str
    digest: str
    effective_from: datetime


@dataclass(frozen=True)
class PlanVersion:
    """The `number`-th form of a plan: a monthly fee that includes units of some products."""

    id: str
    plan: str
    number: int
    title: str
    monthly: Money
    includes: dict[str, int]
    digest: str
    effective_from: datetime


def publish(tx: Transaction, workspace: Workspace) -> tuple[str, ...]:
    """Make new versions of the prices and plans that differ from the newest ones; answer their keys.

    And new versions of the tax rates that differ: see `taxes`.

    Raises Conflict when the company's currency or time zone changed: what was sold is kept in the old ones.
    """
    _open_book(tx, workspace.company)
    rates = publish_rates(tx, workspace.company)
    currency = workspace.company.currency
    made = [_publish_price(tx, name, product, currency) for name, product in sorted(workspace.products.items())]
    made += [_publish_plan(tx, name, plan, currency) for name, plan in sorted(workspace.plans.items())]
    changed = tuple(key for key in made if key)
    if changed or rates:
        counters.bump(tx, "prices")
    return changed


def the_book(tx: Transaction) -> Book:
    """What the books are kept in. Raises NotFound before anything was published."""
    row = tx.first(sa.select(book).where(book.c.organisation == tx.organisation))
    if row is None:
        raise NotFound("no prices are published yet", where="catalogue", hint="run `penstock apply`")
    return Book(row["currency"], row["timezone"])


def price_for(tx: Transaction, product: str, period: Period) -> PriceVersion:
    """The product's price in `period`. Raises NotFound when it never had one: no use is ever free by accident."""
    column = price_version.c
    query = (
        sa.select(price_version)
        .where(
            column.organisation == tx.organisation,
            column.product == product,
            (column.effective_from <= period.start) | (column.number == 1),
        )
        .order_by(column.number.desc())
        .limit(1)
    )
    row = tx.first(query)
    if row is None:
        raise NotFound(
            f"{product!r} has no price", where=f"products.{product}.price", hint="set its price, run `penstock apply`"
        )
    return _price(row)


def get_price_version(tx: Transaction, id: str) -> PriceVersion:
    """The price version with this id."""
    row = tx.first(
        sa.select(price_version).where(price_version.c.organisation == tx.organisation, price_version.c.id == id)
    )
    if row is None:
        raise NotFound(f"no price version {id!r}")
    return _price(row)


def prices(tx: Transaction) -> list[PriceVersion]:
    """Every price version, by product and number."""
    column = price_version.c
    query = sa.select(price_version).where(column.organisation == tx.organisation)
    return [_price(row) for row in tx.all(query.order_by(column.product, column.number))]


def priced_products(tx: Transaction) -> list[str]:
    """Every product that ever had a price."""
    column = price_version.c
    query = sa.select(column.product).where(column.organisation == tx.organisation, column.number == 1)
    return [row["product"] for row in tx.all(query.order_by(column.product))]


def plan_versions(tx: Transaction) -> list[PlanVersion]:
    """Every plan version, by plan and number."""
    column = plan_version.c
    query = sa.select(plan_version).where(column.organisation == tx.organisation)
    return [_plan(row) for row in tx.all(query.order_by(column.plan, column.number))]


def get_price_versions(tx: Transaction, ids: Collection[str]) -> dict[str, PriceVersion]:
    """The price versions with these ids, by id. Raises NotFound when one is missing."""
    column = price_version.c
    query = sa.select(price_version).where(column.organisation == tx.organisation, column.id.in_(sorted(ids)))
    found = {row["id"]: _price(row) for row in tx.all(query)} if ids else {}
    return {id: found.get(id) or get_price_version(tx, id) for id in ids}


def get_plan_versions(tx: Transaction, ids: Collection[str]) -> dict[str, PlanVersion]:
    """The plan versions with these ids, by id. Raises NotFound when one is missing."""
    column = plan_version.c
    query = sa.select(plan_version).where(column.organisation == tx.organisation, column.id.in_(sorted(ids)))
    found = {row["id"]: _plan(row) for row in tx.all(query)} if ids else {}
    return {id: found.get(id) or get_plan_version(tx, id) for id in ids}


def newest_plan(tx: Transaction, plan: str) -> PlanVersion:
    """The plan version that a new subscriber gets."""
    column = plan_version.c
    query = sa.select(plan_version).where(column.organisation == tx.organisation, column.plan == plan)
    row = tx.first(query.order_by(column.number.desc()).limit(1))
    if row is None:
        known = tx.all(sa.select(column.plan).where(column.organisation == tx.organisation).distinct())
        names = ", ".join(sorted(row["plan"] for row in known)) or "none; add one to penstock.toml, `penstock apply`"
        raise NotFound(f"no plan {plan!r}", where="plan", hint=f"plans: {names}")
    return _plan(row)


def get_plan_version(tx: Transaction, id: str) -> PlanVersion:
    """The plan version with this id."""
    row = tx.first(
        sa.select(plan_version).where(plan_version.c.organisation == tx.organisation, plan_version.c.id == id)
    )
    if row is None:
        raise NotFound(f"no plan version {id!r}")
    return _plan(row)


def _open_book(tx: Transaction, company: Company) -> None:
    row = {"currency": company.currency, "timezone": company.timezone, "opened_at": tx.now}
    if insert_new(tx, book, [row]):
        return
    kept = the_book(tx)
    for field, now in (("currency", company.currency), ("timezone", company.timezone)):
        before = getattr(kept, field)
        if now != before:
            raise Conflict(
                f"the books are kept in {before}; {now} would change what was already sold",
                where=f"penstock.toml: company.{field}",
                hint=f'set {field} = "{before}" again, or start a new workspace',
            )


def _publish_price(tx: Transaction, name: str, product: Product, currency: str) -> str | None:
    content = {"title": product.title or name, "price": dump(product.price), "currency": currency}
    number = _next_number(tx, price_version, price_version.c.product == name, digest_of(content))
    if number is None:
        return None
    row = {**content, "id": tx.new_id("prc"), "product": name, **_stamp(tx, number, content)}
    tx.execute(sa.insert(price_version), {"organisation": tx.organisation, **row})
    return f"products.{name}.price v{number}"


def _publish_plan(tx: Transaction, name: str, plan: Plan, currency: str) -> str | None:
    content = {
        "title": plan.title or name,
        "monthly_minor": exact_money(f"{plan.monthly:f}", currency).amount_minor,
        "currency": currency,
        "includes": dict(sorted(plan.includes.items())),
    }
    number = _next_number(tx, plan_version, plan_version.c.plan == name, digest_of(content))
    if number is None:
        return None
    row = {**content, "id": tx.new_id("pln"), "plan": name, **_stamp(tx, number, content)}
    tx.execute(sa.insert(plan_version), {"organisation": tx.organisation, **row})
    return f"plans.{name} v{number}"


def _stamp(tx: Transaction, number: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, "digest": digest_of(content), "effective_from": tx.now}


def _next_number(tx: Transaction, table: sa.Table, one: sa.ColumnElement[bool], digest: str) -> int | None:
    newest = tx.first(
        sa.select(table).where(table.c.organisation == tx.organisation, one).order_by(table.c.number.desc()).limit(1)
    )
    if newest is None:
        return 1
    return None if newest["digest"] == digest else int(newest["number"]) + 1


def _price(row: sa.RowMapping) -> PriceVersion:
    return PriceVersion(
        row["id"],
        row["product"],
        row["number"],
        row["title"],
        Price.model_validate(row["price"]),
        row["currency"],
        row["digest"],
        row["effective_from"],
    )


def _plan(row: sa.RowMapping) -> PlanVersion:
    return PlanVersion(
        row["id"],
        row["plan"],
        row["number"],
        row["title"],
        Money(row["monthly_minor"], row["currency"]),
        dict(row["includes"]),
        row["digest"],
        row["effective_from"],
    )
