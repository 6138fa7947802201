"""Monthly caps: how many units of a product a customer may use in a period, whatever it could pay."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.billing.tables import usage_limit
from penstock.billing.terms import lock_customer
from penstock.billing.versions import priced_products
from penstock.core.errors import BadInput, NotFound
from penstock.identity.customers import get_customer
from penstock.metering.quantities import MOST_QUANTITY
from penstock.storage import counters
from penstock.storage.engine import Transaction


def set_limit(tx: Transaction, customer: str, product: str, units_per_month: int | None) -> None:
    """Cap the product at `units_per_month` for this customer; None lifts the cap. Holds from the next grant on."""
    if units_per_month is not None and units_per_month < 0:
        raise BadInput(f"a limit cannot be {units_per_month}", where="limit", hint="0 stops all use")
    if units_per_month is not None and units_per_month > MOST_QUANTITY:
        raise BadInput(
            f"{units_per_month:,} units are more than a month is billed for",
            where="limit",
            hint=f"at most {MOST_QUANTITY:,}; without a limit: penstock customer limit CUSTOMER PRODUCT",
        )
    if product not in priced_products(tx):
        raise NotFound(f"no product {product!r}", where="limit", hint="see `penstock check`")
    customer = get_customer(tx, customer).id
    lock_customer(tx, customer)
    tx.execute(sa.delete(usage_limit).where(*_one(tx, customer, product)))
    if units_per_month is not None:
        row = {"customer": customer, "product": product, "units_per_month": units_per_month}
        tx.execute(sa.insert(usage_limit), {"organisation": tx.organisation, **row})
    counters.bump(tx, "terms")


def limit_of(tx: Transaction, customer: str, product: str) -> int | None:
    """Units a month, or None without a cap."""
    found = tx.scalar(sa.select(usage_limit.c.units_per_month).where(*_one(tx, customer, product)))
    return None if found is None else int(found)


def list_limits(tx: Transaction, customer: str) -> dict[str, int]:
    """Units a month by product, of one customer."""
    query = sa.select(usage_limit).where(
        usage_limit.c.organisation == tx.organisation, usage_limit.c.customer == customer
    )
    return {row["product"]: row["units_per_month"] for row in tx.all(query.order_by(usage_limit.c.product))}


def _one(tx: Transaction, customer: str, product: str) -> tuple[sa.ColumnElement[bool], ...]:
    column = usage_limit.c
    return column.organisation == tx.organisation, column.customer == customer, column.product == product
