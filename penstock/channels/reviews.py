"""Attributions held for review: while one is held, nothing it earned is paid out, until a person clears or rejects it.

Cleared: its commissions are payable as any. Rejected: they are taken back, and it earns no more. The word is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from penstock.channels.partners import Partner, get_partner, partners_of_customer
from penstock.channels.self_referral import Party, Sign, signs
from penstock.channels.tables import attribution, attribution_review
from penstock.core.errors import BadInput, Conflict, NotFound
from penstock.identity.customers import Customer, get_customer
from penstock.storage import counters
from penstock.storage.engine import Transaction
from penstock.storage.sql import insert_new

State = Literal["held", "cleared", "rejected"]


@dataclass(frozen=True)
class Review:
    """Why the attribution of a customer is or was held, and what a person said of it (decision: the reason given)."""

    customer: str
    partner: str
    state: State
    signs: tuple[Sign, ...]
    opened_at: datetime
    decided_at: datetime | None
    decision: str


def look(tx: Transaction, customer_id: str) -> Review | None:
    """Hold the customer's attribution if it shows signs of self-referral that no person has looked at yet.

    Returns the review that stands, old or new; None when there is nothing to look at.
    """
    partner_id = tx.scalar(
        sa.select(attribution.c.partner).where(
            attribution.c.organisation == tx.organisation, attribution.c.customer == customer_id
        )
    )
    if partner_id is None:
        return None
    found = _signs(tx, get_partner(tx, partner_id), get_customer(tx, customer_id))
    known = review_of(tx, customer_id)
    if not found or (known is not None and (known.state == "rejected" or set(found) <= set(known.signs))):
        return known
    facts = {"state": "held", "signs": [vars(sign) for sign in found], "opened_at": tx.now}
    fresh = {"partner": partner_id, **facts, "decided_at": None, "decision": ""}
    if known is None:
        insert_new(tx, attribution_review, [{"customer": customer_id, **fresh}])
    else:
        tx.execute(sa.update(attribution_review).where(*_one(tx, customer_id)).values(fresh))
    return review_of(tx, customer_id)


def look_around(tx: Transaction, customer_id: str) -> list[Review]:
    """Look again after the customer's facts changed: at its own attribution, and at those of partners that it is."""
    theirs = {one.id for one in partners_of_customer(tx, customer_id)}
    brought = [one for one in _attributed(tx) if one["customer"] == customer_id or one["partner"] in theirs]
    return [review for one in brought if (review := look(tx, one["customer"])) is not None]


def look_at_all(tx: Transaction) -> list[Review]:
    """Look at every attribution, as those made before there were reviews; returns what is held now."""
    looked = [look(tx, one["customer"]) for one in _attributed(tx)]
    return [review for review in looked if review is not None and review.state == "held"]


def review_of(tx: Transaction, customer_id: str) -> Review | None:
    """The review of a customer's attribution, if it ever was held."""
    row = tx.first(sa.select(attribution_review).where(*_one(tx, customer_id)))
    return None if row is None else _review(row)


def list_reviews(tx: Transaction, *, state: State | None = None, partner: str | None = None) -> list[Review]:
    """All reviews, or those in a state, or of a partner's (id) customers; oldest first."""
    column = attribution_review.c
    query = sa.select(attribution_review).where(column.organisation == tx.organisation)
    for known, value in ((column.state, state), (column.partner, partner)):
        if value is not None:
            query = query.where(known == value)
    return [_review(row) for row in tx.all(query.order_by(column.opened_at, column.customer))]


def clear(tx: Transaction, customer: str, reason: str) -> Review:
    """Say that the attribution is honest: what it earned is payable. Raises Conflict unless it is held."""
    return decide(tx, customer, "cleared", reason)


def decide(tx: Transaction, customer: str, state: Literal["cleared", "rejected"], reason: str) -> Review:
    """Record what a person says. See commissions.reject for what else a rejection does."""
    who = get_customer(tx, customer)
    if not reason.strip():
        raise BadInput("a decision needs a reason", where="reason", hint="say what you looked at")
    counters.take(tx, "attribution review", 0)  # two people at once would both decide
    known = review_of(tx, who.id)
    if known is None:
        raise NotFound(
            f"{who.name} was never held for review", where="attribution", hint="see `penstock attribution list`"
        )
    if known.state == state:
        return known
    if known.state != "held":
        raise Conflict(
            f"the attribution of {who.name} was {known.state} already: {known.decision}", where="attribution"
        )
    said = {"state": state, "decided_at": tx.now, "decision": reason.strip()}
    tx.execute(sa.update(attribution_review).where(*_one(tx, who.id)).values(said))
    return _known(review_of(tx, who.id))


def _signs(tx: Transaction, partner: Partner, customer: Customer) -> tuple[Sign, ...]:
    parties = [Party(partner.email)]
    if partner.customer is not None:
        own = get_customer(tx, partner.customer)
        parties.append(Party(own.email, own.tax_id))
    return signs(parties, Party(customer.email, customer.tax_id))


def _attributed(tx: Transaction) -> list[sa.RowMapping]:
    mine = attribution.c.organisation == tx.organisation
    return list(tx.all(sa.select(attribution).where(mine).order_by(attribution.c.attributed_at)))


def _one(tx: Transaction, customer_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    column = attribution_review.c
    return column.organisation == tx.organisation, column.customer == customer_id


def _known(review: Review | None) -> Review:
    if review is None:
        raise NotFound("the review is gone", where="attribution")
    return review


def _review(row: sa.RowMapping) -> Review:
    facts: dict[str, Any] = {name: row[name] for name in Review.__dataclass_fields__}
    return Review(**{**facts, "signs": tuple(Sign(**sign) for sign in row["signs"])})
