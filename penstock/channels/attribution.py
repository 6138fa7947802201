"""Attribution: which partner brought a customer. Said once, by code, and locked with the terms of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from penstock.channels import reviews
from penstock.channels.partners import Partner, get_partner, partner_by_code, partners_of_customer
from penstock.channels.tables import attribution
from penstock.core.errors import Conflict, Forbidden
from penstock.identity.customers import Customer, get_customer
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new


@dataclass(frozen=True)
class Attribution:
    """A customer was brought by a partner, under an agreement version (id)."""

    customer: str
    partner: str
    agreement_version: str
    code: str
    attributed_at: datetime


def attribute(tx: Transaction, customer_id: str, code: str) -> Attribution:
    """Record that the partner with `code` brought the customer. The same again changes nothing.

    What looks like self-referral (see self_referral) is recorded and held for review: reviews.review_of says why.

    Raises NotFound for an unknown code, Forbidden when a partner refers itself (its own customer, its own e-mail
    address, or in a circle), Conflict when another partner brought the customer.
    """
    customer, partner = get_customer(tx, customer_id), partner_by_code(tx, code)
    _refuse_self_referral(tx, partner, customer)
    row = {
        "customer": customer.id,
        "partner": partner.id,
        "agreement_version": partner.agreement_version,
        "code": partner.code,
        "attributed_at": tx.now,
    }
    insert_new(tx, attribution, [row])
    held = attribution_of(tx, customer.id)
    if held is None or held.partner != partner.id:
        raise Conflict(
            f"{customer.name} was brought by another partner already",
            where="code",
            hint="an attribution is made once and cannot be changed",
        )
    reviews.look(tx, customer.id)
    return held


def attribution_of(tx: Transaction, customer_id: str) -> Attribution | None:
    """Who brought the customer, if anyone."""
    row = tx.first(
        sa.select(attribution).where(
            attribution.c.organisation == tx.organisation, attribution.c.customer == customer_id
        )
    )
    return None if row is None else _attribution(row)


def attributions_of_partner(tx: Transaction, partner_id: str) -> list[Attribution]:
    """The customers a partner brought, oldest first."""
    query = sa.select(attribution).where(
        attribution.c.organisation == tx.organisation, attribution.c.partner == partner_id
    )
    return [_attribution(row) for row in tx.all(query.order_by(attribution.c.attributed_at, attribution.c.customer))]


def list_attributions(tx: Transaction) -> list[Attribution]:
    """All attributions, oldest first."""
    query = sa.select(attribution).where(attribution.c.organisation == tx.organisation)
    return [_attribution(row) for row in tx.all(query.order_by(attribution.c.attributed_at, attribution.c.customer))]


def _refuse_self_referral(tx: Transaction, partner: Partner, customer: Customer) -> None:
    if partner.customer == customer.id or partner.email.lower() == customer.email.lower():
        raise Forbidden(f"{partner.name} cannot refer itself", where="code", hint="use no code, or another partner's")
    # a circle: this customer is itself a partner that, step by step, brought the partner's own customer
    first, seen = partner, set[str]()
    while partner.customer is not None and partner.id not in seen:
        seen.add(partner.id)
        above = attribution_of(tx, partner.customer)
        if above is None:
            return
        partner = get_partner(tx, above.partner)
        if partner.id in {one.id for one in partners_of_customer(tx, customer.id)}:
            raise Forbidden(
                f"{customer.name} brought {first.name}: partners cannot refer each other in a circle",
                where="code",
                hint="use no code, or another partner's",
            )


def _attribution(row: sa.RowMapping) -> Attribution:
    return Attribution(**{name: row[name] for name in Attribution.__dataclass_fields__})
