"""What is for sale, in one place: price and plan versions, and who subscribed to which."""

from penstock.billing.subscriptions import (
    Subscription,
    allowance,
    list_subscriptions,
    open_subscription,
    subscribe,
    subscribers,
    subscription_of,
    unsubscribe,
)
from penstock.billing.versions import (
    Book,
    PlanVersion,
    PriceVersion,
    get_plan_version,
    get_price_version,
    newest_plan,
    price_for,
    priced_products,
    prices,
    publish,
    the_book,
)

__all__ = [
    "Book",
    "PlanVersion",
    "PriceVersion",
    "Subscription",
    "allowance",
    "get_plan_version",
    "get_price_version",
    "list_subscriptions",
    "newest_plan",
    "open_subscription",
    "price_for",
    "priced_products",
    "prices",
    "publish",
    "subscribe",
    "subscribers",
    "subscription_of",
    "the_book",
    "unsubscribe",
]
