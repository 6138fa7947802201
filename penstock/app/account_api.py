"""GET /v1/account: a customer's balance, limits and prices, as its own programs may ask for them."""

from __future__ import annotations

from typing import Any

from penstock.billing.accrual import standing_of
from penstock.billing.limit_states import limit_states, warnings_of
from penstock.billing.subscriptions import allowance
from penstock.billing.terms import terms_of
from penstock.billing.versions import price_for, priced_products
from penstock.core.clock import period_at
from penstock.core.money import Money
from penstock.identity.customers import get_customer
from penstock.runtime.house import House
from penstock.serving.endpoints import EndpointRequest
from penstock.serving.limits import find_key, key_limits
from penstock.storage.engine import Transaction


def account(house: House, request: EndpointRequest) -> Any:
    """Balance = paid - used - held (each with what else is owed), limits with what is used of them, and prices."""
    tx, company = request.tx, house.workspace.company
    period = period_at(tx.shared_now, company.timezone)
    now = standing_of(tx, request.customer, company)
    states = limit_states(tx, request.customer, company)
    return {
        "customer": get_customer(tx, request.customer).name,
        "terms": terms_of(tx, request.customer),
        "currency": company.currency,
        "period": period.name,
        "balance": {
            "paid": _text(now.credit),
            "used": _text(now.running_use),
            "held": _text(now.held),
            "plan_fees": _text(now.plan_fees),
            "tax": _text(now.tax),
            "open_invoices": _text(now.open_invoices),
            "left": _text(now.left),
        },
        "limits": [
            {"kind": one.kind, "name": one.name, "limit": f"{one.limit:f}", "used": f"{one.used:f}"}
            | {"percent": one.percent}
            for one in states
        ],
        "warnings": [
            {"limit": one.subject, "percent": one.percent, "at": one.at.isoformat()}
            for one in warnings_of(tx, request.customer, period.name)
        ],
        "key": _key(house, tx, request.key),
        "prices": [
            {
                "product": product,
                "unit": (price := price_for(tx, product, period).price).unit,
                "included": allowance(tx, request.customer, product, period),
                "tiers": [{"up_to": tier.up_to, "unit_price": f"{tier.unit_price:f}"} for tier in price.tiers],
            }
            for product in priced_products(tx)
            if product in house.workspace.products
        ],
    }


def _key(house: House, tx: Transaction, id: str) -> dict[str, Any]:
    key, own = find_key(tx, id), key_limits(tx).get(id)
    return {
        "id": id,
        "requests_per_minute": key.requests_per_minute or house.workspace.gateway.requests_per_minute,
        "concurrency": own.concurrency if own else None,
    }


def _text(amount: Money) -> str:
    return f"{amount.to_decimal():f}"
