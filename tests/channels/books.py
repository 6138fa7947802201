"""The books of a small company: it writes invoices, payments and refunds into billing's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from penstock.billing import catalogue
from penstock.billing.tables import invoice, payment, refund
from penstock.channels import agreements, commissions
from penstock.channels.attribution import attribute
from penstock.channels.partners import Partner, add_partner
from penstock.core.clock import SettableClock
from penstock.identity.customers import Customer, add_customer
from penstock.storage.engine import Store, Transaction
from penstock.workspace.records import Workspace


def workspace(share: str = "20%", hold_days: int = 30, timezone: str = "UTC", **further: Any) -> Workspace:
    return Workspace.model_validate(
        {
            "company": {"name": "Harbour AI", "timezone": timezone},
            "agreements": {"referral": {"share": share, "hold_days": hold_days}, **further},
        }
    )


class Books:
    def __init__(self, store: Store, share: str = "20%", timezone: str = "UTC") -> None:
        self.store = store
        with store.transaction() as tx:
            catalogue.publish(tx, workspace(share, timezone=timezone))
            agreements.publish(tx, workspace(share, timezone=timezone))
        self._paid: dict[str, int] = {}
        self._returned: dict[str, int] = {}

    @property
    def clock(self) -> SettableClock:
        assert isinstance(self.store.clock, SettableClock)
        return self.store.clock

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self.store.transaction() as tx:
            yield tx

    def partner(self, name: str = "Reed & Co", **further: Any) -> Partner:
        with self.writing() as tx:
            email = further.pop("email", f"{len(name)}@partners.example.net")
            return add_partner(tx, name=name, email=email, agreement="referral", **further)

    def customer(self, name: str, code: str | None = None) -> Customer:
        with self.writing() as tx:
            made = add_customer(tx, name=name, email=f"{name.replace(' ', '.')}@example.com")
            if code is not None:
                attribute(tx, made.id, code)
            return made

    def bill(self, customer: Customer, net_minor: int, tax_minor: int = 0) -> str:
        """An invoice; answers its number."""
        with self.writing() as tx:
            number = f"INV-{len(self._paid) + 1:04d}"
            row = {
                "organisation": tx.organisation,
                "number": number,
                "operation": f"invoice {number}",
                "customer": customer.id,
                "period": f"P{len(self._paid)}",
                "period_start": tx.now,
                "period_end": tx.now + timedelta(days=30),
                "currency": "USD",
                "net_minor": net_minor,
                "tax_minor": tax_minor,
                "total_minor": net_minor + tax_minor,
                "credit_minor": 0,
                "cutoff_seq": 0,
                "seller": {},
                "buyer": {},
                "tax": {},
                "issued_at": tx.now,
                "due_at": tx.now,
            }
            tx.execute(sa.insert(invoice), row)
        self._paid[number] = self._returned[number] = 0
        return number

    def pay(self, number: str, amount_minor: int, *, settle: bool = True) -> list[commissions.Commission]:
        """A payment (negative: one taken back), and what it earns."""
        with self.writing() as tx:
            tax = self._tax(tx, number, self._paid[number], amount_minor)
            self._paid[number] += amount_minor
            row = {**self._common(tx, number, amount_minor, tax), "method": "bank", "paid_at": tx.now}
            tx.execute(sa.insert(payment), row)
            return commissions.settle(tx) if settle else []

    def refund(self, number: str, amount_minor: int) -> list[commissions.Commission]:
        """A refund, and what it takes back."""
        with self.writing() as tx:
            tax = self._tax(tx, number, self._returned[number], amount_minor)
            self._returned[number] += amount_minor
            row = {**self._common(tx, number, amount_minor, tax), "to_credit_minor": 0, "reason": "unhappy"}
            tx.execute(sa.insert(refund), {**row, "refunded_at": tx.now})
            return commissions.settle(tx)

    def left(self, number: str) -> int:
        return self._paid[number] - self._returned[number]

    def _tax(self, tx: Transaction, number: str, before: int, amount_minor: int) -> int:
        row = self._row(tx, number)
        if row["total_minor"] == 0:
            return 0
        upto = row["tax_minor"] * (before + amount_minor) // row["total_minor"]
        return int(upto - row["tax_minor"] * before // row["total_minor"])

    def _row(self, tx: Transaction, number: str) -> sa.RowMapping:
        found = tx.first(
            sa.select(invoice).where(invoice.c.organisation == tx.organisation, invoice.c.number == number)
        )
        assert found is not None
        return found

    def _common(self, tx: Transaction, number: str, amount_minor: int, tax_minor: int) -> dict[str, Any]:
        made = tx.new_id("mov")
        return {
            "organisation": tx.organisation,
            "id": made,
            "operation": made,
            "invoice": number,
            "customer": self._row(tx, number)["customer"],
            "amount_minor": amount_minor,
            "tax_minor": tax_minor,
            "currency": "USD",
        }
