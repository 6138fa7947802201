"""All that belongs to a customer, across the packages; and ending it: archived customers buy no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from penstock.billing import credits, limits, terms
from penstock.billing.catalogue import Subscription, open_subscription, unsubscribe
from penstock.billing.invoices import list_invoices
from penstock.billing.plan_changes import PlanChange, preview_end
from penstock.billing.taxes import InForce, now_in_force
from penstock.channels import reviews
from penstock.channels.attribution import attribution_of
from penstock.channels.partners import Partner, get_partner, partners_of_customer
from penstock.channels.reviews import Review
from penstock.core.errors import Conflict
from penstock.core.money import Money
from penstock.identity.customers import Customer, edit_customer, get_customer, set_archived
from penstock.identity.keys import Key, list_keys, revoke_keys_of
from penstock.storage.documents import get_document
from penstock.storage.engine import Transaction

ERASURE = "erasure of "
"""What the names of the documents begin with that record erasures."""


@dataclass(frozen=True)
class OpenInvoice:
    """An invoice that is not paid in full; `open`: what is still asked for."""

    number: str
    period: str
    due_at: datetime
    open: Money


@dataclass(frozen=True)
class Sheet:
    """A customer with all that belongs to it.

    tax: the rate of this month, None before anything was published. brought_by: the partner that brought it; review:
    why that is or was held; partners: those that it is itself.
    """

    customer: Customer
    terms: str
    tax: InForce | None
    plan: Subscription | None
    keys: tuple[Key, ...]
    limits: Mapping[str, int]
    credit: Money
    open_invoices: tuple[OpenInvoice, ...]
    brought_by: Partner | None
    review: Review | None
    partners: tuple[Partner, ...]


@dataclass(frozen=True)
class Unsettled:
    """Money that stands between the company and a customer: an invoice's open amount, or prepaid credit left."""

    kind: Literal["invoice", "credit"]
    subject: str
    amount: Money

    def __str__(self) -> str:
        return f"{self.subject}: {self.amount}" if self.subject else f"{self.kind}: {self.amount}"


@dataclass(frozen=True)
class Archiving:
    """What archiving does: keys that end, the plan that ends with its last fees, and what stays unsettled."""

    customer: Customer
    keys: int
    plan: PlanChange | None
    unsettled: tuple[Unsettled, ...]


def sheet(tx: Transaction, ref: str) -> Sheet:
    """All that belongs to the customer now. Raises as get_customer does."""
    who = get_customer(tx, ref)
    brought = attribution_of(tx, who.id)
    return Sheet(
        customer=who,
        terms=terms.terms_of(tx, who.id),
        tax=now_in_force(tx, who.id),
        plan=open_subscription(tx, who.id),
        keys=tuple(list_keys(tx, who.id)),
        limits=limits.list_limits(tx, who.id),
        credit=credits.credit_balance(tx, who.id),
        open_invoices=_open_invoices(tx, who.id),
        brought_by=get_partner(tx, brought.partner) if brought else None,
        review=reviews.review_of(tx, who.id),
        partners=tuple(partners_of_customer(tx, who.id)),
    )


def edit(
    tx: Transaction, ref: str, changes: Mapping[str, str], *, allow_similar: bool = False
) -> tuple[Customer, Customer]:
    """Change a customer's facts, and look again whether its attribution is honest; returns it before and after."""
    before, after = edit_customer(tx, ref, changes, allow_similar=allow_similar)
    reviews.look_around(tx, after.id)
    return before, after


def preview_archive(tx: Transaction, ref: str) -> Archiving:
    """What `archive` will do."""
    known = sheet(tx, ref)
    valid = [
        key for key in known.keys if key.revoked_at is None and (key.expires_at is None or key.expires_at > tx.now)
    ]
    unsettled = [Unsettled("invoice", one.number, one.open) for one in known.open_invoices]
    if known.credit.amount_minor:
        unsettled.append(Unsettled("credit", "", known.credit))
    ending = preview_end(tx, known.customer.id) if known.plan else None
    return Archiving(known.customer, len(valid), ending, tuple(unsettled))


def archive(tx: Transaction, ref: str, *, force: bool = False) -> Archiving:
    """End the customer's keys and plan and put it among the archived ones. What it used is billed at the next closing.

    Raises Conflict while something is unsettled, unless `force`: then it stays so, and is named in what is returned.
    """
    said = preview_archive(tx, ref)
    if said.unsettled and not force:
        raise Conflict(
            f"{said.customer.name} is not settled: {', '.join(str(one) for one in said.unsettled)}",
            where="customer",
            hint='settle it first; to archive it all the same: --force, or "force": true',
        )
    revoke_keys_of(tx, said.customer.id)
    if said.plan is not None:
        unsubscribe(tx, said.customer.id)
    archived = set_archived(tx, said.customer.id, True)
    return Archiving(archived, said.keys, said.plan, said.unsettled)


def unarchive(tx: Transaction, ref: str) -> Customer:
    """Let the customer buy again. Its keys stay revoked and its plan ended. Raises Conflict for an erased one."""
    who = get_customer(tx, ref)
    if get_document(tx, erasure_name(who.id)) is not None:
        raise Conflict("this customer was erased", where="customer", hint="add it anew: penstock customer add")
    return set_archived(tx, who.id, False)


def erasure_name(customer_id: str) -> str:
    """The document that records a customer's erasure."""
    return f"{ERASURE}{customer_id}"


def _open_invoices(tx: Transaction, customer: str) -> tuple[OpenInvoice, ...]:
    found: list[OpenInvoice] = []
    after = ""
    while page := list_invoices(tx, customer=customer, after=after):
        found += [
            OpenInvoice(one.number, one.period.name, one.due_at, Money(one.open_minor, one.currency))
            for one in page
            if one.open_minor > 0
        ]
        after = page[-1].number
    return tuple(found)
