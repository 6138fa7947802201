"""What an invoice is once it is read: frozen records. Its paid state is computed from the ledger, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from penstock.billing.shares import LineShare
from penstock.core.clock import Period

State = Literal["open", "paid", "partly refunded", "refunded", "credited", "void"]


@dataclass(frozen=True)
class Line:
    """One line: a plan's fee, or usage of a product in `period` (the period of use; late usage names an older one).

    quantity: units (1 for a plan). tax_rate: of `period` (0.06 is 6%). tiers: units, unit price and exact amount per
    tier; unit price None means that the plan includes them. The line's events are those of `period` with
    after_seq < seq <= cutoff_seq.
    """

    number: int
    kind: Literal["plan", "usage", "late usage"]
    title: str
    product: str | None
    plan_version: str | None
    rating_run: str | None
    period: Period
    quantity: int
    unit: str
    tiers: tuple[LineTier, ...]
    amount_minor: int
    after_seq: int | None
    cutoff_seq: int | None
    tax_rate: Decimal = Decimal(0)


@dataclass(frozen=True)
class TaxPart:
    """The lines of an invoice that have one rate of tax: their net, and the tax on it, rounded once.

    reason: why the customer has a rate of its own; otherwise empty.
    """

    rate: Decimal
    net_minor: int
    tax_minor: int
    reason: str = ""


@dataclass(frozen=True)
class LineTier:
    """Units of a line at one unit price, in major units of the currency (None: included in the plan)."""

    units: int
    unit_price: Decimal | None
    amount: Decimal


@dataclass(frozen=True)
class Void:
    """That an invoice was taken back before anything was paid: it asks for nothing any longer."""

    invoice: str
    operation: str
    reason: str
    voided_at: datetime


@dataclass(frozen=True)
class CreditNote:
    """A numbered document that credits `total_minor` of an invoice, tax included.

    reduced_minor of it took off the open amount; the rest was paid, and given back by `refund` (its id).
    shares: what it takes of each line; None for notes of old, of invoices with one rate of tax.
    """

    number: str
    operation: str
    invoice: str
    customer: str
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    reduced_minor: int
    refund: str | None
    reason: str
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    issued_at: datetime
    shares: tuple[LineShare, ...] | None = None


@dataclass(frozen=True)
class Invoice:
    """An issued invoice with what was since paid, refunded, credited or voided.

    seller, buyer and taxes (by rate) are as they were on issue. credit_minor: taken from the customer's credit on issue
    (negative: given to it). open_minor: still to be paid. All amounts are minor units of `currency`.
    """

    number: str
    operation: str
    customer: str
    period: Period
    currency: str
    lines: tuple[Line, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    credit_minor: int
    open_minor: int
    refunded_minor: int
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    taxes: tuple[TaxPart, ...]
    issued_at: datetime
    due_at: datetime
    notes: tuple[CreditNote, ...] = ()
    void: Void | None = None

    @property
    def reduced_minor(self) -> int:
        """What credit notes took off the open amount."""
        return sum(note.reduced_minor for note in self.notes)

    @property
    def returned_minor(self) -> int:
        """What credit notes took off, and refunds gave back."""
        return self.reduced_minor + self.refunded_minor

    @property
    def paid_minor(self) -> int:
        """What was paid, refunds not counted."""
        return 0 if self.void else self.total_minor - self.reduced_minor - self.open_minor

    @property
    def state(self) -> State:
        if self.void:
            return "void"
        if self.open_minor > 0:
            return "open"
        if self.paid_minor == 0 and self.reduced_minor:
            return "credited"
        if self.refunded_minor <= 0:
            return "paid"
        return "refunded" if self.refunded_minor >= self.paid_minor else "partly refunded"


@dataclass(frozen=True)
class Payment:
    """Money received for an invoice; tax_minor is the tax in it. Negative: a payment taken back."""

    id: str
    operation: str
    invoice: str
    customer: str
    amount_minor: int
    tax_minor: int
    currency: str
    method: str
    paid_at: datetime


@dataclass(frozen=True)
class Refund:
    """Money given back for an invoice; to_credit_minor of it went to the customer's credit.

    shares: what it takes of each line; None for the refund of a credit note, and for refunds of old.
    """

    id: str
    operation: str
    invoice: str
    customer: str
    amount_minor: int
    tax_minor: int
    to_credit_minor: int
    currency: str
    reason: str
    refunded_at: datetime
    shares: tuple[LineShare, ...] | None = None


@dataclass(frozen=True)
class Quarantine:
    """A customer (id and name) that could not be invoiced: nothing is, until someone has looked and resumed it."""

    customer: str
    name: str
    reason: str
    since: datetime
