"""A small company for tests: two products, a plan, and ways to use, to wait and to close a month."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from penstock.billing import catalogue
from penstock.billing.funding import LedgerFunding
from penstock.billing.invoices import Closing, Invoice, close_period
from penstock.core.clock import Period, SettableClock, period_of
from penstock.core.money import Money, money
from penstock.identity.customers import add_customer
from penstock.metering import usage_log
from penstock.metering.usage_log import UsageEvent
from penstock.storage.engine import Store, Transaction
from penstock.workspace.records import Company, Workspace

TIERS = [{"up_to": 1_000, "unit_price": "0.0040"}, {"unit_price": "0.0020"}]


def workspace(
    *, helpdesk: list[dict[str, Any]] | None = None, monthly: str = "49.00", includes: int = 500, **company: Any
) -> Workspace:
    """helpdesk at 0.0040 then 0.0020, translate at 0.01, plan team with 500 helpdesk units for 49.00."""
    product = {"task": "text-classification", "data": "d.csv", "gate": {"accuracy": ">= 0.9"}}
    return Workspace.model_validate(
        {
            "company": {"name": "Harbour AI", "timezone": "Asia/Shanghai", **company},
            "products": {
                "helpdesk": {**product, "title": "Helpdesk router", "price": {"tiers": helpdesk or TIERS}},
                "translate": {**product, "price": {"unit": "request", "tiers": [{"unit_price": "0.01"}]}},
            },
            "plans": {"team": {"title": "Team", "monthly": monthly, "includes": {"helpdesk": includes}}},
        }
    )


@dataclass
class Shop:
    """The company's books in one store, with a clock to turn."""

    store: Store
    clock: SettableClock
    company: Company
    _ids: Any = field(default_factory=itertools.count)

    @property
    def funding(self) -> LedgerFunding:
        return LedgerFunding(self.company)

    def month(self, name: str) -> Period:
        return period_of(name, self.company.timezone)

    def customer(self, name: str = "Blue Shop", **fields: Any) -> str:
        with self.store.transaction() as tx:
            return add_customer(tx, **{"name": name, "email": "pay@example.com", "allow_similar": True, **fields}).id

    def use(self, customer: str, units: int, product: str = "helpdesk", time: datetime | None = None) -> None:
        with self.store.transaction() as tx:
            use_in(tx, customer, units, product, time, id=f"req-{next(self._ids)}")

    def wait_until(self, month: str, days: float = 0.5) -> None:
        """Turn the clock to some days after the month began."""
        self.clock.set(self.month(month).start + timedelta(days=days))

    def close(self, month: str) -> Closing:
        return close_period(self.store.transaction, self.month(month), self.company)

    def invoice(self, month: str) -> Invoice:
        """Close the month for a house with one customer."""
        [one] = self.close(month).invoices
        return one


def open_shop(store: Store, clock: SettableClock, **changes: Any) -> Shop:
    """Publish the workspace and open for business on 15 November 2026."""
    space = workspace(**changes)
    with store.transaction() as tx:
        catalogue.publish(tx, space)
    return Shop(store, clock, space.company)


def use_in(tx: Transaction, customer: str, units: int, product: str, time: datetime | None, id: str) -> None:
    event = UsageEvent(customer, id, customer, product, "rel_1", "key_1", time or tx.now, units, "0" * 64)
    [outcome] = usage_log.append(tx, [event])
    assert outcome.kind == "new"


def usd(amount: str) -> Money:
    return money(amount, "USD")
